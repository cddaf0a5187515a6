-- WordPress, WP-PostViews: the views of posts and pages. The plugin has totals only, so the period is empty.
-- Change: portal (the site's id), wp_ (the tables' prefix). Compare a line of the result with the address of that post.
--
-- If a post has two numbers, the plugin shows the first.
-- Addresses are as permalinks make them, for a category with at most one above it and a page with at most two.
SELECT 'portal' AS site, a.address AS article, '' AS period, v.views AS views
FROM (
  SELECT m.post_id AS id, CAST(m.meta_value AS UNSIGNED) AS views
  FROM wp_postmeta m
  JOIN (SELECT MIN(meta_id) AS first FROM wp_postmeta WHERE meta_key = 'views' GROUP BY post_id) n ON n.first = m.meta_id
) v
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
WHERE v.views > 0
ORDER BY a.id;
