//! A merge of communes, step by step: the alias, a reload, the merge, the check. Old tags count for the new site.

use super::{
    PAST, files, import,
    process::{Place, client::Client, eventually, service::nine},
    sender::Sender,
    soak, totals,
};

const CONFIG: &str = "[[sites]]\nid = \"portal\"\norigins = [\"https://portal.example.vn\"]\n";

fn place(articles: usize) -> Place {
    let mut place = files::place();
    import(&place, articles);
    place.environment.remove("TRUYCAP_SITES");
    place.write("truycap.toml", format!("{CONFIG}[[sites]]\nid = \"khoa\"\norigins = [\"https://khoa.example.vn\"]\n"));
    place
}

#[test]
fn after_an_alias_and_a_merge_old_tags_count_for_the_new_site_and_no_view_is_lost() {
    let articles = soak(1000, 100_000);
    let place = place(articles);
    let service = place.start();
    let sender = Sender::start(["portal", "khoa"]);
    sender.aim(Some(&service.public));
    sender.wait_for(100);
    place.write("truycap.toml", format!("{CONFIG}aliases = [\"khoa\"]\n"));
    let reloaded = Client::connect(&service.admin)
        .and_then(|mut client| {
            client.send("POST /-/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")?;
            client.answer()
        })
        .unwrap();
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    sender.wait_for(100);
    // Views that were counted for the old site can still be in the journal.
    eventually("nothing waits for the old site", || {
        let status = place.run(&["journal", "status", "--json", "--config", "truycap.toml"]);
        (!status.out.contains("khoa")).then_some(())
    });
    place.ok(&["merge", "khoa", "portal", "--config", "truycap.toml"]);
    sender.wait_for(100);
    let (least, most) = sender.finish();
    assert_eq!(least, most, "every view was answered");
    let total = 2 * PAST + least;
    eventually("all are shown", || (service.site("portal")[0] == total).then_some(()));
    // Every address of the old site shows the new one.
    assert_eq!(service.site("khoa"), service.site("portal"));
    let client = || service.client();
    let counted = client().view("khoa", "/bai-viet/0").unwrap();
    assert!(counted.counted(), "{counted:?}");
    assert_eq!(nine(&counted.json()["site"])[0], total + 1);
    for path in ["views.gif?article=/bai-viet/0", "box", "badge.svg", "top?period=total", "history?by=day&from=2026-11-27&to=2026-11-28"] {
        let answer = client().get(&format!("/v1/sites/khoa/{path}")).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains("khoa"), "{path}: {answer:?}");
    }
    let total = total + 2;
    eventually("the picture counted", || (service.site("portal")[0] == total).then_some(()));
    let metrics = Client::connect(&service.admin).unwrap().get("/metrics").unwrap();
    assert!(metrics.body.contains("site=\"portal\""), "{}", metrics.body);
    service.stop();
    let figures = place.ok(&["figures", "khoa", "--config", "truycap.toml"]);
    assert!(figures.contains(&format!("{total}\n")), "{figures}");
    let config = place.path("truycap.toml").display().to_string();
    let mut place = place;
    place.options = vec!["--config".into(), config];
    let empty = place.run(&["export", "--site", "khoa"]);
    assert!(empty.code == Some(1) && empty.err.contains("holds nothing for it"), "{}", empty.err);
    assert_eq!(totals(&place, "portal").0, total);
}
