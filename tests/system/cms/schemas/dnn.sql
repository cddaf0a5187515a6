-- The site log of DNN 7, with the types of MariaDB for those of SQL Server.
CREATE DATABASE dbo;
CREATE TABLE dbo.SiteLog (
  SiteLogId int NOT NULL AUTO_INCREMENT PRIMARY KEY, DateTime datetime NOT NULL, PortalId int NOT NULL, UserId int NULL, Referrer varchar(255) NULL, Url varchar(255) NULL,
  UserAgent varchar(255) NULL, UserHostAddress varchar(255) NULL, UserHostName varchar(255) NULL, TabId int NULL, AffiliateId int NULL
);
INSERT INTO dbo.SiteLog (DateTime, PortalId, Url, TabId) VALUES
('2014-12-30 23:59:00', 0, '/Default.aspx', 55), ('2014-12-31 00:00:00', 0, '/Default.aspx', 55), ('2014-12-31 08:01:00', 0, '/Default.aspx', 60), ('2014-12-31 09:00:00', 1, '/Default.aspx', 70), ('2015-01-01 00:00:00', 0, '/Default.aspx', 55);
