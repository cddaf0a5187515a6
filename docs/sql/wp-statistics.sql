-- WordPress, WP-Statistics 14: the site and its pages by day, and what was purged.
-- Change: portal (the site's id, four times), wp_ (the tables' prefix).
--
-- The site's days are in summary_totals; days that are not in it yet, such as today, are the sum of their pages. A version
-- without that table needs neither the first SELECT nor the line with NOT EXISTS.
-- Addresses are cut at 190 characters. A cut one is no page's address, so it counts for the site alone, as does the home page.
SELECT 'portal' AS site, '' AS article, CAST(t.date AS CHAR(10)) AS period, t.views AS views
FROM wp_statistics_summary_totals t WHERE t.views > 0
UNION ALL
SELECT 'portal', '', CAST(p.date AS CHAR(10)), SUM(p.count)
FROM wp_statistics_pages p
WHERE NOT EXISTS (SELECT 1 FROM wp_statistics_summary_totals t WHERE t.date = p.date)
GROUP BY p.date HAVING SUM(p.count) > 0
UNION ALL
SELECT 'portal', '', '', h.value
FROM wp_statistics_historical h WHERE h.category = 'visits' AND h.value > 0
UNION ALL
SELECT 'portal', a.article, a.period, SUM(a.views)
FROM (
  SELECT TRIM(TRAILING '/' FROM SUBSTRING_INDEX(u.uri, '?', 1)) AS article, u.period, u.views
  FROM (
    SELECT uri, CAST(date AS CHAR(10)) AS period, count AS views FROM wp_statistics_pages
    UNION ALL
    SELECT uri, '', value FROM wp_statistics_historical WHERE category = 'uri'
  ) u
  WHERE CHAR_LENGTH(u.uri) < 190
) a
WHERE a.article LIKE '/%'
GROUP BY a.article, a.period HAVING SUM(a.views) > 0;
