//! URLs of Redis servers, sentinels and clusters.

use bolero::check;
use truycap::store::redis::Url;

/// The text of a URL has everything but the logins.
#[test]
fn the_text_of_a_url_is_a_url_of_the_same_servers() {
    check!(name = "url").with_iterations(2000).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for beginning in ["redis://", "rediss+sentinel://", "redis+sentinel://a,b/m", "redis+cluster://", "rediss+cluster://a:1,"] {
            let Ok(url) = format!("{beginning}{text}").parse::<Url>() else { continue };
            let shown = url.to_string();
            let again: Url = shown.parse().unwrap_or_else(|error| panic!("{shown:?}: {error}"));
            assert_eq!(again.to_string(), shown);
        }
    });
}
