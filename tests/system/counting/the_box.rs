//! The box of a portal in January 2020: every number, also after the following changes of day, week, month and year.

use std::fmt::Write as _;

use super::process::{Place, Service, eventually, service::nine};

/// The portal's existing counts on Friday 17 January 2020, before the day's views.
fn past() -> String {
    let mut text = "site,article,period,views\nportal,,,6341529\nportal,,2019,1737155\nportal,,2019-12,108517\n".to_owned();
    for day in 1..=14 {
        writeln!(text, "portal,,2020-01-{day:02},7101").unwrap();
    }
    text + "portal,,2020-01-15,7108\nportal,,2020-01-16,7097\nportal,/tin/1,2019,200\nportal,/tin/1,2020-01-16,100\n"
}

/// What happens to the process at the boundary of a period.
#[derive(Clone, Copy)]
enum Boundary {
    RunThrough,
    Terminated,
    Killed,
}

struct Portal {
    place: Place,
    service: Service,
}

impl Portal {
    /// Sets the clock to another time.
    fn step(mut self, rfc3339: &str, boundary: Boundary) -> Self {
        match boundary {
            Boundary::RunThrough => {
                self.place.set_clock(rfc3339);
                return self;
            }
            Boundary::Terminated => _ = self.service.stop(),
            Boundary::Killed => self.service.process.kill(),
        }
        self.place.set_clock(rfc3339);
        self.service = self.place.start();
        self
    }

    /// Checks the figures: over HTTP at once, on the command line as soon as the store has them.
    ///
    /// The order: total; today, yesterday; this week, last week; this month, last month; this year, last year.
    fn shows(&self, day: &str, site: [u64; 9], article: [u64; 9]) {
        let answer = self.service.answer("portal", &["/tin/1"]);
        assert!(answer["as_of"].as_str().unwrap().starts_with(day), "{answer}");
        assert_eq!(nine(&answer["site"]), site, "{day}");
        assert_eq!(nine(&answer["articles"]["/tin/1"]), article, "/tin/1 on {day}");
        eventually("the same figures in the store", || {
            let figures = (self.place.figures(&["portal"]), self.place.figures(&["portal", "--article", "/tin/1"]));
            (figures == (site, article)).then_some(())
        });
    }

    /// Sends views of the site without an article.
    fn views(&self, count: usize) {
        self.service.views("portal", "", count);
    }
}

/// The portal on 17 January; all views of that day were sent over HTTP.
fn portal() -> Portal {
    let mut place = Place::new();
    place.set_clock("2020-01-17T10:00:00+07:00");
    let file = place.write("past.csv", past());
    // The box, as the old counter showed it, without the views of the day.
    let summary = "portal: +8300820: older +6341529; 2019 +1845672 (2019-12 +108517); 2020 +113619 (2020-01 +113619); articles +300";
    assert_eq!(place.ok(&["import", &file]), format!("{file}: imported 21 rows\n  {summary}\n  to take it back: truycap undo portal 1\n"));
    let service = place.start();
    service.views("portal", "", 6180);
    service.views("portal", "/tin/1", 145);
    Portal { place, service }
}

/// The box of the real portal showed these numbers, except those of the weeks.
fn shows_the_box(portal: &Portal) {
    portal.shows(
        "2020-01-17",
        [8_307_145, 6325, 7097, 34_732, 49_707, 119_944, 108_517, 119_944, 1_845_672],
        [445, 145, 100, 245, 0, 245, 0, 245, 200],
    );
}

fn through_the_year(boundary: Boundary) {
    let mut portal = portal();
    shows_the_box(&portal);

    // A midnight within the week.
    portal = portal.step("2020-01-18T00:00:05+07:00", boundary);
    portal.shows(
        "2020-01-18",
        [8_307_145, 0, 6325, 34_732, 49_707, 119_944, 108_517, 119_944, 1_845_672],
        [445, 0, 145, 245, 0, 245, 0, 245, 200],
    );
    portal.views(3);

    // From Sunday to Monday.
    portal = portal.step("2020-01-19T23:59:30+07:00", boundary);
    portal.views(2);
    portal.shows(
        "2020-01-19",
        [8_307_150, 2, 3, 34_737, 49_707, 119_949, 108_517, 119_949, 1_845_672],
        [445, 0, 0, 245, 0, 245, 0, 245, 200],
    );
    portal = portal.step("2020-01-20T00:00:05+07:00", boundary);
    portal.shows("2020-01-20", [8_307_150, 0, 2, 0, 34_737, 119_949, 108_517, 119_949, 1_845_672], [445, 0, 0, 0, 245, 245, 0, 245, 200]);
    portal.views(4);

    // The end of a month, within a week.
    portal = portal.step("2020-01-31T23:59:30+07:00", boundary);
    portal.views(5);
    portal.shows("2020-01-31", [8_307_159, 5, 0, 5, 4, 119_958, 108_517, 119_958, 1_845_672], [445, 0, 0, 0, 0, 245, 0, 245, 200]);
    portal = portal.step("2020-02-01T00:00:05+07:00", boundary);
    portal.shows("2020-02-01", [8_307_159, 0, 5, 5, 4, 0, 119_958, 119_958, 1_845_672], [445, 0, 0, 0, 0, 0, 245, 245, 200]);
    portal.views(6);

    // The end of a year, within its week 53.
    portal = portal.step("2020-12-31T23:59:30+07:00", boundary);
    portal.views(7);
    portal.service.views("portal", "/tin/1", 1);
    portal.shows("2020-12-31", [8_307_173, 8, 0, 8, 0, 8, 0, 119_972, 1_845_672], [446, 1, 0, 1, 0, 1, 0, 246, 200]);
    portal = portal.step("2021-01-01T00:00:05+07:00", boundary);
    portal.shows("2021-01-01", [8_307_173, 0, 8, 8, 0, 0, 8, 0, 119_972], [446, 0, 1, 1, 0, 0, 1, 0, 246]);
    portal.views(9);
    portal.shows("2021-01-01", [8_307_182, 9, 8, 17, 0, 9, 8, 9, 119_972], [446, 0, 1, 1, 0, 0, 1, 0, 246]);

    // From week 53 to week 1.
    portal = portal.step("2021-01-04T00:00:05+07:00", boundary);
    portal.shows("2021-01-04", [8_307_182, 0, 0, 0, 17, 9, 8, 9, 119_972], [446, 0, 0, 0, 1, 0, 1, 0, 246]);
    let export = portal.place.ok(&["export"]);
    for row in ["portal,,2020-W53,17", "portal,,2020-01,119958", "portal,,2020,119972", "portal,,2021-01-01,9", "portal,,total,8307182"] {
        assert!(export.lines().any(|line| line == row), "{row}\n{export}");
    }
}

#[test]
fn the_box_is_right_after_every_boundary_while_the_service_runs() {
    through_the_year(Boundary::RunThrough);
}

#[test]
fn the_box_is_right_after_every_boundary_if_the_service_is_stopped_and_started() {
    through_the_year(Boundary::Terminated);
}

#[test]
fn the_box_is_right_after_every_boundary_if_the_service_is_killed_and_started() {
    through_the_year(Boundary::Killed);
}
