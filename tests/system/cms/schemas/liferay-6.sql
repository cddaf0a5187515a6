-- Tables of Liferay 6.2.
CREATE TABLE ClassName_ (classNameId bigint NOT NULL PRIMARY KEY, value varchar(200) NULL);
INSERT INTO ClassName_ VALUES (10011, 'com.liferay.portlet.blogs.model.BlogsEntry'), (10108, 'com.liferay.portlet.journal.model.JournalArticle');
CREATE TABLE AssetEntry (
  entryId bigint NOT NULL PRIMARY KEY, groupId bigint, companyId bigint, classNameId bigint, classPK bigint, visible boolean, title varchar(1000) NULL, viewCount int
);
INSERT INTO AssetEntry VALUES
(1, 10180, 10154, 10108, 11001, true, 'Khai trương', 445), (2, 10180, 10154, 10108, 11002, true, 'Lịch', 31000), (3, 10180, 10154, 10108, 11003, true, 'Mới', 0),
(4, 20180, 10154, 10108, 11004, true, 'Xã khác', 9), (5, 10180, 10154, 10011, 11001, true, 'Blog', 3);
CREATE TABLE JournalArticle (
  uuid_ varchar(75) NULL, id_ bigint NOT NULL PRIMARY KEY, resourcePrimKey bigint, groupId bigint, companyId bigint, articleId varchar(75) NULL, version double precision,
  urlTitle varchar(150) NULL, status int
);
INSERT INTO JournalArticle VALUES
('a', 21, 11001, 10180, 10154, '21', 1.0, 'ten-cu', 0), ('b', 22, 11001, 10180, 10154, '21', 1.1, 'khai-truong-cong', 0), ('c', 23, 11002, 10180, 10154, '22', 1.0, 'lich-tiep-dan', 0),
('d', 24, 11003, 10180, 10154, '23', 1.0, 'moi', 0), ('e', 25, 11004, 20180, 10154, '24', 1.0, 'xa-khac', 0);
