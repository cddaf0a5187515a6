-- Liferay 6.1 to 7.1: the views of web content. Liferay has totals only, so the period is empty. For MySQL and PostgreSQL.
-- Change: portal (the site's id), /web/guest/-/ (what addresses begin with, up to the article's own part), 10180 (the site's
-- number, groupId). Compare a line of the result with the address of that article.
SELECT s.site AS site, CONCAT(s.prefix, a.urlTitle) AS article, '' AS period, e.viewCount AS views
FROM (SELECT 'portal' AS site, '/web/guest/-/' AS prefix, 10180 AS group_id) s
JOIN ClassName_ n ON n.value IN ('com.liferay.portlet.journal.model.JournalArticle', 'com.liferay.journal.model.JournalArticle')
JOIN AssetEntry e ON e.classNameId = n.classNameId AND e.groupId = s.group_id
JOIN JournalArticle a ON a.resourcePrimKey = e.classPK
WHERE e.viewCount > 0
  AND NOT EXISTS (SELECT 1 FROM JournalArticle b WHERE b.resourcePrimKey = a.resourcePrimKey AND b.version > a.version)
ORDER BY e.classPK;
