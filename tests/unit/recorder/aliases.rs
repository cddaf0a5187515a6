//! A site is found by its aliases too, throughout reloads that make an id an alias, and the other way round.

use chrono_tz::Tz;
use truycap::domain::{
    figures::Figure,
    site::{Rules, Site},
};

use super::{Stage, id};

fn site(name: &str, aliases: &[&str]) -> Site {
    let aliases = aliases.iter().map(|alias| id(alias)).collect();
    Site { id: id(name), aliases, origins: Vec::new(), timezone: Tz::Asia__Ho_Chi_Minh, sections: Vec::new(), rules: Rules::default() }
}

#[tokio::test(start_paused = true)]
async fn views_of_an_alias_count_for_its_site() {
    let mut stage = Stage::new().await;
    stage.record("b", None).await.unwrap();
    stage.recorder.configure(vec![site("a", &["b", "old"])]);
    for name in ["a", "b", "old"] {
        stage.record(name, None).await.unwrap();
        assert_eq!(stage.handle.site(name).unwrap().site().id, id("a"));
    }
    assert_eq!(stage.figures("old", &[]).await.site.unwrap()[Figure::Total], 3);
    // What was acknowledged for the old site is applied to it.
    stage.stored_becomes("a", 3, std::time::Duration::from_secs(2)).await;
    stage.stored_becomes("b", 1, std::time::Duration::from_secs(2)).await;
    stage.recorder.configure(vec![site("a", &["old"]), site("b", &[])]);
    stage.record("b", None).await.unwrap();
    assert_eq!(stage.figures("b", &[]).await.site.unwrap()[Figure::Total], 2);
    stage.recorder.configure(vec![site("b", &[])]);
    assert!(stage.handle.site("a").is_none() && stage.handle.site("old").is_none());
}
