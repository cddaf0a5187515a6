-- Tables of WordPress, Post Views Counter and WP-PostViews.
CREATE TABLE wp_options (
  option_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  option_name varchar(191) NOT NULL DEFAULT '',
  option_value longtext NOT NULL,
  autoload varchar(20) NOT NULL DEFAULT 'yes',
  PRIMARY KEY (option_id),
  UNIQUE KEY option_name (option_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_options (option_name, option_value) VALUES
('siteurl', 'https://portal.example.vn'), ('home', 'https://portal.example.vn'), ('page_on_front', '9'), ('permalink_structure', '/%category%/%postname%/');

CREATE TABLE wp_posts (
  ID bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  post_date datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
  post_title text NOT NULL,
  post_status varchar(20) NOT NULL DEFAULT 'publish',
  post_name varchar(200) NOT NULL DEFAULT '',
  post_parent bigint(20) unsigned NOT NULL DEFAULT 0,
  post_type varchar(20) NOT NULL DEFAULT 'post',
  PRIMARY KEY (ID)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_posts VALUES
(5, '2019-03-07 08:00:00', 'Bài một', 'publish', 'bai-mot', 0, 'post'),
(6, '2019-11-02 08:00:00', 'Bài ạ', 'publish', 'b%c3%a0i-%e1%ba%a1', 0, 'post'),
(7, '2019-01-01 08:00:00', 'Giới thiệu', 'publish', 'gioi-thieu', 0, 'page'),
(8, '2019-01-01 08:00:00', 'Liên hệ', 'publish', 'lien-he', 7, 'page'),
(9, '2019-01-01 08:00:00', 'Trang chủ', 'publish', 'trang-chu', 0, 'page'),
(10, '2019-01-01 08:00:00', 'Nháp', 'draft', 'nhap', 0, 'post');

CREATE TABLE wp_terms (
  term_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  name varchar(200) NOT NULL DEFAULT '',
  slug varchar(200) NOT NULL DEFAULT '',
  PRIMARY KEY (term_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_terms VALUES (2, 'Tin tức', 'tin-tuc'), (3, 'Thông báo', 'thong-bao'), (4, 'Nổi bật', 'noi-bat');
CREATE TABLE wp_term_taxonomy (
  term_taxonomy_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  term_id bigint(20) unsigned NOT NULL DEFAULT 0,
  taxonomy varchar(32) NOT NULL DEFAULT '',
  parent bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (term_taxonomy_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_term_taxonomy VALUES (12, 2, 'category', 0), (13, 3, 'category', 2), (14, 4, 'post_tag', 0);
CREATE TABLE wp_term_relationships (
  object_id bigint(20) unsigned NOT NULL DEFAULT 0,
  term_taxonomy_id bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (object_id, term_taxonomy_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_term_relationships VALUES (5, 12), (5, 13), (5, 14), (6, 13);

CREATE TABLE wp_post_views (
  id bigint unsigned NOT NULL,
  type tinyint(1) unsigned NOT NULL,
  period varchar(8) NOT NULL,
  count bigint unsigned NOT NULL,
  PRIMARY KEY (type, period, id),
  UNIQUE KEY id_type_period_count (id, type, period, count)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_post_views VALUES
(5, 0, '20191126', 10), (5, 0, '20191127', 20), (5, 1, '201948', 30), (5, 2, '201911', 70), (5, 2, '201910', 100), (5, 3, '2019', 500), (5, 3, '2018', 250), (5, 4, 'total', 1000),
(6, 0, '20191102', 3), (6, 1, '201944', 3), (6, 2, '201911', 3), (6, 3, '2019', 3), (6, 4, 'total', 3),
(8, 4, 'total', 77), (9, 4, 'total', 4000), (10, 4, 'total', 5);

CREATE TABLE wp_postmeta (
  meta_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  post_id bigint(20) unsigned NOT NULL DEFAULT 0,
  meta_key varchar(255) DEFAULT NULL,
  meta_value longtext DEFAULT NULL,
  PRIMARY KEY (meta_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES
(5, '_edit_last', '1'), (5, 'views', '445'), (5, 'views', '12'), (6, 'views', '31000'), (7, 'views', '8'), (9, 'views', '5000'), (10, 'views', '2');
