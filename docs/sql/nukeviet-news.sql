-- NukeViet 4: the views of the articles of the module news. The module has totals only, so the period is empty.
-- Change: portal (the site's id), /news/ (the module's address; with several languages /vi/news/), .html (rewrite_exturl),
-- nv4_vi_ (the tables' prefix and the language). Compare a line of the result with the address of that article.
--
-- Only the table _rows counts: nv4_vi_news_1, _2 … repeat its articles. The column ends at 16777215.
SELECT s.site AS site, CONCAT(s.module, c.alias, '/', r.alias, '-', r.id, s.ending) AS article, '' AS period, r.hitstotal AS views
FROM (SELECT 'portal' AS site, '/news/' AS module, '.html' AS ending) s
JOIN nv4_vi_news_rows r
JOIN nv4_vi_news_cat c ON c.catid = r.catid
WHERE r.hitstotal > 0
ORDER BY r.id;
