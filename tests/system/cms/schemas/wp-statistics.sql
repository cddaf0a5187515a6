-- Tables of WP-Statistics 14.
CREATE TABLE wp_statistics_pages (
  page_id bigint(20) NOT NULL AUTO_INCREMENT,
  uri varchar(190) NOT NULL,
  type varchar(180) NOT NULL,
  date date NOT NULL,
  count int(11) NOT NULL,
  id int(11) NOT NULL,
  PRIMARY KEY (page_id),
  UNIQUE KEY date_2 (date, uri)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_statistics_pages (uri, type, date, count, id) VALUES
('/', 'home', '2019-11-26', 100, 0), ('/bai-mot/', 'post', '2019-11-26', 40, 5), ('/bai-mot/?fbclid=1', 'post', '2019-11-26', 2, 5),
('/b%C3%A0i-%E1%BA%A1/', 'post', '2019-11-26', 5, 6), ('/', 'home', '2019-11-27', 90, 0), ('/bai-mot/', 'post', '2019-11-27', 30, 5),
(RPAD('/the/', 190, '%E1%BA%A1'), 'post_tag', '2019-11-27', 6, 11), ('/', 'home', '2019-11-28', 9, 0), ('/bai-mot/', 'post', '2019-11-28', 1, 5);

CREATE TABLE wp_statistics_summary_totals (
  ID bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  date date NOT NULL,
  visitors bigint(20) unsigned NOT NULL,
  views bigint(20) unsigned NOT NULL,
  PRIMARY KEY (ID),
  UNIQUE KEY date (date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_statistics_summary_totals (date, visitors, views) VALUES ('2019-11-25', 20, 60), ('2019-11-26', 50, 147), ('2019-11-27', 45, 126);

CREATE TABLE wp_statistics_historical (
  ID bigint(20) NOT NULL AUTO_INCREMENT,
  category varchar(25) NOT NULL,
  page_id bigint(20) NOT NULL,
  uri varchar(190) NOT NULL,
  value bigint(20) NOT NULL,
  PRIMARY KEY (ID),
  KEY category (category),
  UNIQUE KEY uri (uri)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
INSERT INTO wp_statistics_historical (category, page_id, uri, value) VALUES
('visitors', -1, '-1', 3000), ('visits', -2, '-2', 9000), ('uri', 5, '/bai-mot/', 445);
