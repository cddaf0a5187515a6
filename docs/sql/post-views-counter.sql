-- WordPress, Post Views Counter: the views of posts and pages, by day as far as the plugin has kept days.
-- Change: portal (the site's id), wp_ (the tables' prefix). Compare a line of the result with the address of that post.
--
-- The plugin counts a view in its day, week, month, year and total, so each period less its parts gets a row.
-- Addresses are as permalinks make them, for a category with at most one above it and a page with at most two.
SELECT site, article, period, views FROM (
  SELECT 'portal' AS site, a.address AS article,
    CASE v.type WHEN 0 THEN CONCAT_WS('-', LEFT(v.period, 4), SUBSTRING(v.period, 5, 2), SUBSTRING(v.period, 7, 2))
      WHEN 2 THEN CONCAT_WS('-', LEFT(v.period, 4), SUBSTRING(v.period, 5, 2)) WHEN 3 THEN v.period ELSE '' END AS period,
    v.count - COALESCE((
      SELECT SUM(part.count) FROM wp_post_views part
      WHERE part.id = v.id AND part.type = CASE v.type WHEN 2 THEN 0 WHEN 3 THEN 2 WHEN 4 THEN 3 END
        AND (v.type = 4 OR part.period LIKE CONCAT(v.period, '%'))), 0) AS views
  FROM wp_post_views v
  JOIN (
    SELECT p.ID AS id, CONCAT(h.path, '/', TRIM(BOTH '/' FROM IF(p.post_type = 'page',
      CONCAT_WS('/', g.post_name, f.post_name, p.post_name),
      REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(l.option_value,
        '%year%', DATE_FORMAT(p.post_date, '%Y')), '%monthnum%', DATE_FORMAT(p.post_date, '%m')), '%day%', DATE_FORMAT(p.post_date, '%d')),
        '%post_id%', p.ID), '%postname%', p.post_name), '%category%', COALESCE((
          SELECT CONCAT_WS('/', ft.slug, ct.slug)
          FROM wp_term_relationships r
          JOIN wp_term_taxonomy c ON c.term_taxonomy_id = r.term_taxonomy_id AND c.taxonomy = 'category'
          JOIN wp_terms ct ON ct.term_id = c.term_id
          LEFT JOIN wp_terms ft ON ft.term_id = c.parent
          WHERE r.object_id = p.ID ORDER BY c.term_id LIMIT 1), 'uncategorized'))))) AS address
    FROM wp_posts p
    JOIN wp_options l ON l.option_name = 'permalink_structure'
    JOIN (SELECT SUBSTRING(option_value, LOCATE('/', CONCAT(option_value, '/'), 9)) AS path FROM wp_options WHERE option_name = 'home') h
    LEFT JOIN wp_posts f ON f.ID = p.post_parent AND p.post_type = 'page'
    LEFT JOIN wp_posts g ON g.ID = f.post_parent
    WHERE p.post_type IN ('post', 'page') AND p.post_status = 'publish'
      AND p.ID NOT IN (SELECT option_value FROM wp_options WHERE option_name = 'page_on_front')
  ) a ON a.id = v.id
  WHERE v.type IN (0, 2, 3, 4)
) r
WHERE views > 0
ORDER BY article, period;
