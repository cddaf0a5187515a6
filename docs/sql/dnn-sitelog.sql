SET NOCOUNT ON;
-- DNN 7 and older, with the site log switched on: the views of the whole portal by day, in the server's time zone.
-- Change: portal (the site's id), 0 (the PortalId), dbo. (if the tables have another owner or a prefix).
-- DNN 8 and later have no site log: import the logs of IIS instead.
SELECT 'portal' AS site, '' AS article, CAST(DateTime AS date) AS period, COUNT(*) AS views
FROM dbo.SiteLog
WHERE PortalId = 0
GROUP BY CAST(DateTime AS date)
ORDER BY period;
