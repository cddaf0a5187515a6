-- Tables of NukeViet 4. The last hit is at 00:30 on 28 November 2019 in Vietnam, 27 November in UTC.
CREATE TABLE nv4_counter (
  c_type varchar(100) NOT NULL,
  c_val varchar(100) NOT NULL,
  last_update int(11) NOT NULL DEFAULT 0,
  c_count int(11) unsigned NOT NULL DEFAULT 0,
  vi_count int(11) unsigned NOT NULL DEFAULT 0,
  UNIQUE KEY c_type (c_type, c_val)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO nv4_counter (c_type, c_val, c_count) VALUES
('c_time', 'start', 0), ('c_time', 'last', 1574875800), ('total', 'hits', 8307145),
('year', '2017', 1000000), ('year', '2018', 1845672), ('year', '2019', 1199440), ('year', '2020', 0), ('year', '2021', 0),
('month', 'Jan', 100000), ('month', 'Feb', 100000), ('month', 'Mar', 100000), ('month', 'Apr', 100000), ('month', 'May', 100000),
('month', 'Jun', 100000), ('month', 'Jul', 100000), ('month', 'Aug', 100000), ('month', 'Sep', 100000), ('month', 'Oct', 100000),
('month', 'Nov', 119944), ('month', 'Dec', 0),
('day', '01', 4000), ('day', '02', 0), ('day', '26', 7001), ('day', '27', 7097), ('day', '28', 325), ('day', '29', 0), ('day', '31', 0),
('hour', '00', 325), ('hour', '23', 0), ('bot', 'googlebot', 99999), ('browser', 'chrome', 5000000), ('country', 'VN', 8000000);

CREATE TABLE nv4_vi_news_cat (
  catid smallint(5) unsigned NOT NULL AUTO_INCREMENT,
  parentid smallint(5) unsigned NOT NULL DEFAULT 0,
  title varchar(250) NOT NULL,
  alias varchar(250) NOT NULL DEFAULT '',
  PRIMARY KEY (catid),
  UNIQUE KEY alias (alias)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO nv4_vi_news_cat VALUES (1, 0, 'Tin tức', 'Tin-tuc'), (2, 1, 'Thông báo', 'Thong-bao');

CREATE TABLE nv4_vi_news_rows (
  id int(11) unsigned NOT NULL AUTO_INCREMENT,
  catid smallint(5) unsigned NOT NULL DEFAULT 0,
  listcatid varchar(255) NOT NULL DEFAULT '',
  status tinyint(4) NOT NULL DEFAULT 1,
  publtime int(11) unsigned NOT NULL DEFAULT 0,
  title varchar(250) NOT NULL DEFAULT '',
  alias varchar(250) NOT NULL DEFAULT '',
  hitstotal mediumint(8) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY catid (catid)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
INSERT INTO nv4_vi_news_rows (id, catid, listcatid, title, alias, hitstotal) VALUES
(1, 1, '1', 'Khai trương cổng thông tin', 'Khai-truong-cong-thong-tin', 445),
(2, 2, '1,2', 'Lịch tiếp công dân, tháng 11', 'Lich-tiep-cong-dan-thang-11', 31000),
(3, 2, '2', 'Chưa ai xem', 'Chua-ai-xem', 0),
(7, 1, '1', 'Bài được xem nhiều', 'Bai-duoc-xem-nhieu', 16777215);
-- One of the tables of each category, which repeat the articles.
CREATE TABLE nv4_vi_news_1 LIKE nv4_vi_news_rows;
INSERT INTO nv4_vi_news_1 SELECT * FROM nv4_vi_news_rows WHERE catid = 1;
