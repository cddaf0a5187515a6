-- NukeViet 4: the figures of the whole portal.
-- Change: portal (the site's id), 7 (hours of statistics_timezone ahead of UTC), nv4_ (the tables' prefix).
--
-- The table has days of one month and months of one year: those of the last hit. What a month, a year or the total has
-- beyond its parts gets a row of its own. Parts that are more than their whole are left out, and the whole is one row.
-- A total of 4294967295 is a full column; then the years count.
SELECT site, article, period, views FROM (
  SELECT x.site AS site, '' AS article,
    CASE c.c_type
      WHEN 'day' THEN CONCAT(DATE_FORMAT(x.last_hit, '%Y-%m-'), LPAD(c.c_val, 2, '0'))
      WHEN 'month' THEN CONCAT(YEAR(x.last_hit), '-', LPAD(FIELD(c.c_val, 'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), 2, '0'))
      WHEN 'year' THEN c.c_val
      ELSE ''
    END AS period,
    CASE c.c_type
      WHEN 'month' THEN c.c_count - IF(DATE_FORMAT(x.last_hit, '%m') = LPAD(FIELD(c.c_val, 'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), 2, '0') AND x.days <= x.this_month, x.days, 0)
      WHEN 'year' THEN c.c_count - IF(c.c_val = YEAR(x.last_hit) AND x.months <= x.this_year, x.months, 0)
      WHEN 'total' THEN IF(c.c_count = 4294967295 AND x.years > c.c_count, 0, c.c_count - IF(x.years <= x.total, x.years, 0))
      ELSE c.c_count
    END AS views
  FROM nv4_counter c
  JOIN (
    SELECT t.site, t.last_hit,
      SUM(IF(c.c_type = 'day' AND c.c_val <= DAY(t.last_hit), c.c_count, 0)) AS days,
      SUM(IF(c.c_type = 'month' AND c.c_val = t.month_name, c.c_count, 0)) AS this_month,
      SUM(IF(c.c_type = 'month', c.c_count, 0)) AS months,
      SUM(IF(c.c_type = 'year' AND c.c_val = YEAR(t.last_hit), c.c_count, 0)) AS this_year,
      SUM(IF(c.c_type = 'year', c.c_count, 0)) AS years,
      SUM(IF(c.c_type = 'total', c.c_count, 0)) AS total
    FROM nv4_counter c
    JOIN (
      SELECT 'portal' AS site, last_hit, ELT(MONTH(last_hit), 'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec') AS month_name
      FROM (
        SELECT '1970-01-01 00:00:00' + INTERVAL (c_count + 7 * 3600) SECOND AS last_hit
        FROM nv4_counter WHERE c_type = 'c_time' AND c_val = 'last'
      ) l
    ) t
    GROUP BY t.site, t.last_hit
  ) x
  WHERE c.c_type = 'total' AND c.c_val = 'hits'
    OR (x.years <= x.total OR x.total = 4294967295) AND (
      c.c_type = 'year'
      OR x.months <= x.this_year AND (
        c.c_type = 'month'
        OR c.c_type = 'day' AND c.c_val <= DAY(x.last_hit) AND x.days <= x.this_month))
) r
WHERE views > 0
ORDER BY period;
