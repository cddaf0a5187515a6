-- Tables of Liferay 7.4.
CREATE TABLE ClassName_ (mvccVersion bigint DEFAULT 0 NOT NULL, classNameId bigint NOT NULL PRIMARY KEY, value varchar(200) NULL);
INSERT INTO ClassName_ VALUES (0, 20005, 'com.liferay.blogs.model.BlogsEntry'), (0, 20006, 'com.liferay.journal.model.JournalArticle');
CREATE TABLE ViewCountEntry (
  companyId bigint NOT NULL, classNameId bigint NOT NULL, classPK bigint NOT NULL, viewCount bigint,
  PRIMARY KEY (companyId, classNameId, classPK)
);
INSERT INTO ViewCountEntry VALUES (20096, 20006, 40001, 445), (20096, 20006, 40002, 31000), (20096, 20006, 40003, 0), (20096, 20006, 40004, 9), (20096, 20005, 40001, 3);
CREATE TABLE FriendlyURLEntryLocalization (
  mvccVersion bigint DEFAULT 0 NOT NULL, ctCollectionId bigint DEFAULT 0 NOT NULL, friendlyURLEntryLocalizationId bigint NOT NULL, companyId bigint,
  friendlyURLEntryId bigint, languageId varchar(75) NULL, groupId bigint, classNameId bigint, classPK bigint, urlTitle varchar(255) NULL,
  PRIMARY KEY (friendlyURLEntryLocalizationId, ctCollectionId)
);
-- The article 40001 was called otherwise before; 40004 belongs to another site.
INSERT INTO FriendlyURLEntryLocalization (friendlyURLEntryLocalizationId, companyId, friendlyURLEntryId, languageId, groupId, classNameId, classPK, urlTitle) VALUES
(1, 20096, 501, 'vi_VN', 20117, 20006, 40001, 'ten-cu'), (2, 20096, 502, 'vi_VN', 20117, 20006, 40001, 'khai-truong-cong'), (3, 20096, 502, 'en_US', 20117, 20006, 40001, 'opening'),
(4, 20096, 503, 'vi_VN', 20117, 20006, 40002, 'lich-tiep-dan'), (5, 20096, 504, 'vi_VN', 20117, 20006, 40003, 'moi'), (6, 20096, 505, 'vi_VN', 30117, 20006, 40004, 'xa-khac');
CREATE TABLE FriendlyURLEntryMapping (
  mvccVersion bigint DEFAULT 0 NOT NULL, ctCollectionId bigint DEFAULT 0 NOT NULL, friendlyURLEntryMappingId bigint NOT NULL, companyId bigint,
  classNameId bigint, classPK bigint, friendlyURLEntryId bigint,
  PRIMARY KEY (friendlyURLEntryMappingId, ctCollectionId)
);
INSERT INTO FriendlyURLEntryMapping (friendlyURLEntryMappingId, companyId, classNameId, classPK, friendlyURLEntryId) VALUES
(1, 20096, 20006, 40001, 502), (2, 20096, 20006, 40002, 503), (3, 20096, 20006, 40003, 504), (4, 20096, 20006, 40004, 505);
