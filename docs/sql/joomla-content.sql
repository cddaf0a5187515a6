-- Joomla 3 to 5: the hits of the articles. Joomla has totals only, so the period is empty.
-- Change: portal (the site's id), / (what addresses begin with: /vi/, /index.php/ …), 0 (1 if addresses have the article's
-- number, as in 12-bai-viet), the empty text at the end (.html, if set in the configuration), jos_ (the tables' prefix).
-- Compare a line of the result with the address of that article.
--
-- An address begins with the menu item of the article, of its category or of the nearest category above. An article
-- without one is left out.
SELECT site, article, period, views FROM (
  SELECT s.site AS site, CONCAT(s.prefix, COALESCE(
    (SELECT m.path FROM jos_menu m WHERE m.client_id = 0 AND m.published = 1 AND m.home = 0
       AND m.link = CONCAT('index.php?option=com_content&view=article&id=', a.id) ORDER BY m.id LIMIT 1),
    (SELECT CONCAT(m.path, SUBSTRING(c.path, CHAR_LENGTH(k.path) + 1), '/', IF(s.ids, CONCAT(a.id, '-'), ''), a.alias)
     FROM jos_categories k
     JOIN jos_menu m ON m.client_id = 0 AND m.published = 1 AND m.home = 0 AND m.link LIKE 'index.php?option=com_content&view=category&%'
       AND CONCAT(m.link, '&') LIKE CONCAT('%&id=', k.id, '&%')
     WHERE k.extension = 'com_content' AND k.lft <= c.lft AND k.rgt >= c.rgt
     ORDER BY k.lft DESC, m.id LIMIT 1)), s.ending) AS article,
    '' AS period, a.hits AS views
  FROM (SELECT 'portal' AS site, '/' AS prefix, 0 AS ids, '' AS ending) s
  JOIN jos_content a
  JOIN jos_categories c ON c.id = a.catid
  WHERE a.hits > 0
) r
WHERE article IS NOT NULL
ORDER BY article;
