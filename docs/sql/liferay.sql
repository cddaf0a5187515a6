-- Liferay 7.2 and later: the views of web content. Liferay has totals only, so the period is empty. For MySQL and PostgreSQL.
-- Change: portal (the site's id), /web/guest/w/ (what addresses begin with; without a friendly name in front, only /w/), vi_VN,
-- 20117 (the site's number, groupId). Compare a line of the result with the address of that article.
--
-- For other content, change the class: com.liferay.blogs.model.BlogsEntry, com.liferay.document.library.kernel.model.DLFileEntry.
SELECT s.site AS site, CONCAT(s.prefix, l.urlTitle) AS article, '' AS period, v.viewCount AS views
FROM (SELECT 'portal' AS site, '/web/guest/w/' AS prefix, 'vi_VN' AS language, 20117 AS group_id) s
JOIN ClassName_ n ON n.value = 'com.liferay.journal.model.JournalArticle'
JOIN ViewCountEntry v ON v.classNameId = n.classNameId
JOIN FriendlyURLEntryMapping m ON m.classNameId = v.classNameId AND m.classPK = v.classPK
JOIN FriendlyURLEntryLocalization l ON l.friendlyURLEntryId = m.friendlyURLEntryId AND l.languageId = s.language AND l.groupId = s.group_id
WHERE v.viewCount > 0
ORDER BY v.classPK;
