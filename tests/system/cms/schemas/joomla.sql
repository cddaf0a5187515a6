-- Tables of Joomla and of Vinaora Visitors Counter. The rows at 00:00 and 00:15 are of 28 November 2019 in Vietnam.
CREATE TABLE jos_vvcounter_logs (
  time int unsigned NOT NULL,
  visits mediumint unsigned NOT NULL DEFAULT 0,
  guests mediumint unsigned NOT NULL DEFAULT 0,
  members mediumint unsigned NOT NULL DEFAULT 0,
  bots mediumint unsigned NOT NULL DEFAULT 0,
  UNIQUE KEY (time)
) ENGINE=MyISAM DEFAULT CHARSET=utf8;
INSERT INTO jos_vvcounter_logs VALUES
(1543600000, 900000, 0, 0, 0), (1574780400, 12, 7, 1, 4), (1574784000, 30, 20, 2, 8), (1574870400, 25, 20, 0, 5), (1574874000, 8, 5, 1, 2), (1574874900, 3, 3, 0, 0);

CREATE TABLE jos_categories (
  id int NOT NULL AUTO_INCREMENT,
  parent_id int unsigned NOT NULL DEFAULT 0,
  lft int NOT NULL DEFAULT 0,
  rgt int NOT NULL DEFAULT 0,
  level int unsigned NOT NULL DEFAULT 0,
  path varchar(400) NOT NULL DEFAULT '',
  extension varchar(50) NOT NULL DEFAULT '',
  title varchar(255) NOT NULL DEFAULT '',
  alias varchar(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 DEFAULT COLLATE=utf8mb4_unicode_ci;
INSERT INTO jos_categories VALUES
(1, 0, 0, 9, 0, '', 'system', 'ROOT', 'root'), (2, 1, 1, 2, 1, 'chua-xep', 'com_content', 'Chưa xếp', 'chua-xep'),
(8, 1, 3, 6, 1, 'tin-tuc', 'com_content', 'Tin tức', 'tin-tuc'), (9, 8, 4, 5, 2, 'tin-tuc/thong-bao', 'com_content', 'Thông báo', 'thong-bao');

CREATE TABLE jos_menu (
  id int NOT NULL AUTO_INCREMENT,
  menutype varchar(24) NOT NULL,
  title varchar(255) NOT NULL,
  alias varchar(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  path varchar(1024) NOT NULL,
  link varchar(1024) NOT NULL,
  type varchar(16) NOT NULL,
  published tinyint NOT NULL DEFAULT 0,
  home tinyint unsigned NOT NULL DEFAULT 0,
  language char(7) NOT NULL DEFAULT '',
  client_id tinyint NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 DEFAULT COLLATE=utf8mb4_unicode_ci;
INSERT INTO jos_menu VALUES
(101, 'mainmenu', 'Trang chủ', 'trang-chu', 'trang-chu', 'index.php?option=com_content&view=featured', 'component', 1, 1, '*', 0),
(102, 'mainmenu', 'Tin', 'tin', 'tin', 'index.php?option=com_content&view=category&layout=blog&id=8', 'component', 1, 0, '*', 0),
(103, 'mainmenu', 'Giới thiệu', 'gioi-thieu', 'gioi-thieu', 'index.php?option=com_content&view=article&id=3', 'component', 1, 0, '*', 0),
(104, 'mainmenu', 'Khác', 'khac', 'khac', 'index.php?option=com_content&view=category&id=80', 'component', 1, 0, '*', 0);

CREATE TABLE jos_content (
  id int unsigned NOT NULL AUTO_INCREMENT,
  title varchar(255) NOT NULL DEFAULT '',
  alias varchar(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  state tinyint NOT NULL DEFAULT 0,
  catid int unsigned NOT NULL DEFAULT 0,
  hits int unsigned NOT NULL DEFAULT 0,
  language char(7) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 DEFAULT COLLATE=utf8mb4_unicode_ci;
INSERT INTO jos_content VALUES
(3, 'Giới thiệu', 'gioi-thieu', 1, 2, 445, '*'), (12, 'Bài một', 'bai-mot', 1, 8, 31000, '*'), (13, 'Lịch tiếp dân', 'lich-tiep-dan', 1, 9, 7097, '*'),
(14, 'Không có mục', 'khong-co-muc', 1, 2, 5, '*'), (15, 'Mới', 'moi', 1, 8, 0, '*');
