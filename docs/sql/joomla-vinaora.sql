-- Joomla, Vinaora Visitors Counter 2: the visits of the whole portal by day.
-- Change: portal (the site's id), 7 * 3600 (seconds of the portal's time zone ahead of UTC), jos_ (the tables' prefix).
--
-- A row has the visits before its time, so that of midnight belongs to the day before. The first row is all that an older
-- version left. `visits` includes bots, as the box does; write `visits - bots` to leave them out.
-- The box adds the number of the module's setting "Initial value": give it a row of its own, `portal,,,NUMBER`.
SELECT 'portal' AS site, '' AS article, period, SUM(views) AS views
FROM (
  SELECT IF(l.time = f.time, '', CAST(DATE('1970-01-01 00:00:00' + INTERVAL (l.time - 1 + 7 * 3600) SECOND) AS CHAR(10))) AS period, visits AS views
  FROM jos_vvcounter_logs l
  JOIN (SELECT MIN(time) AS time FROM jos_vvcounter_logs) f
) d
GROUP BY period HAVING SUM(views) > 0
ORDER BY period;
