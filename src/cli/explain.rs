//! `truycap explain`: which rule decides about a view, by the configuration alone. The rules are those of the service.

use std::{net::IpAddr, time::Instant};

use chrono::Utc;
use serde::Serialize;

use super::{
    args::ExplainArguments,
    output::{Message, print, print_json},
};
use crate::{
    audience::{Audience, BotSign, Decision, Hints, Hit, RequestOrigin},
    config::Config,
    domain::{
        article::ArticleId,
        outcome::{Outcome, SiteAlone},
        site::{Origin, Site},
        visible::visible,
    },
};

/// What would happen to a view.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    site: &'a str,
    /// Whether it counts.
    counted: bool,
    /// The article that it counts for.
    article: Option<&'a str>,
    /// The status of the service's answer.
    status: u16,
    /// Why it does not count, or not for its article: the name that the service's answer, metrics and history have.
    reason: Option<&'static str>,
    /// The same in words.
    because: String,
    /// What depends on other views, which are not known here.
    unless: Vec<String>,
}

/// Prints what would happen to a view.
pub(super) async fn explain(config: &Config, arguments: &ExplainArguments) -> Result<(), Message> {
    let is_named = |site: &&Site| std::iter::once(&site.id).chain(&site.aliases).any(|id| id.as_str() == arguments.site);
    let site = config.sites.iter().find(is_named).ok_or_else(|| {
        let known: Vec<_> = config.sites.iter().map(|site| site.id.as_str()).collect();
        format!("there is no site {:?}; configured: {}", arguments.site, known.join(", "))
    })?;
    let article = arguments.article.as_deref().map(ArticleId::parse).transpose().map_err(|error| format!("--article: {error}"))?;
    let origin = arguments.origin.as_deref().map(Origin::parse).transpose().map_err(|error| format!("--origin: {error}"))?;
    let audience = Audience::new(config.clients.clone(), &config.bots, false, Instant::now).map_err(|error| error.to_string())?;
    let sent = origin.as_ref().map(|origin| origin.as_str().as_bytes());
    let from = RequestOrigin::of(site, sent.into_iter()).or_referrer(site, || arguments.referrer.as_deref());
    let hints = Hints { prefetch: arguments.prefetch, do_not_track: false };
    let agent = Some(arguments.agent.as_bytes());
    let hit = Hit { site, article: article.clone(), client: arguments.client, agent, origin: from, hints, at: Utc::now() };
    // A store is not asked, so articles have no maximum.
    let decision = audience.decide(&hit, async |_| None).await;
    let mut verdict = Verdict {
        site: site.id.as_str(),
        counted: false,
        article: None,
        status: 200,
        reason: None,
        because: because_counted(site, from, origin.as_ref()),
        unless: Vec::new(),
    };
    match decision {
        Decision::Counted(view) => {
            verdict.counted = true;
            verdict.article = article.as_ref().filter(|_| view.article.is_some()).map(ArticleId::as_str);
            verdict.unless = unless(config, site, arguments.client, view.article.is_some());
            if let Some(reason) = view.site_alone {
                (verdict.reason, verdict.because) = (Some(reason.name()), because_alone(site, reason));
            }
        }
        Decision::NotCounted(outcome) => {
            (verdict.reason, verdict.because) = (Some(outcome.name()), because_not(&audience, outcome, &arguments.agent));
        }
        Decision::Refused(refusal) => {
            verdict.reason = Some(refusal.outcome().name());
            verdict.status = 403;
            verdict.because = because_refused(site, from, origin.as_ref());
        }
    }
    if arguments.json { print_json(&verdict) } else { print(&text(&verdict)) }
}

fn text(verdict: &Verdict<'_>) -> String {
    let Verdict { site, status, .. } = verdict;
    let what = match (verdict.counted, verdict.reason, verdict.article) {
        (true, _, Some(article)) => format!("counts for {site} and its article {}", visible(article)),
        (true, Some(reason), None) => format!("counts for {site} alone ({reason})"),
        (true, None, None) => format!("counts for {site}"),
        (false, reason, _) if *status == 200 => format!("does not count ({})", reason.unwrap_or_default()),
        (false, reason, _) => format!("is refused with {status} ({})", reason.unwrap_or_default()),
    };
    let unless: String = verdict.unless.iter().map(|rule| format!("  unless {rule}\n")).collect();
    format!("{what}: {}\n{unless}", verdict.because)
}

fn because_counted(site: &Site, from: RequestOrigin, origin: Option<&Origin>) -> String {
    match (from, origin) {
        (RequestOrigin::Own, Some(origin)) => format!("{} is one of the site's origins", origin.as_str()),
        (RequestOrigin::Own, None) => "the referrer is a page of one of the site's origins".into(),
        _ => format!("it names no origin, and {} does not require one (require_origin)", site.id),
    }
}

fn because_alone(site: &Site, reason: SiteAlone) -> String {
    match reason {
        SiteAlone::ArticlePattern => {
            let pattern = site.rules.articles.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the article does not match the site's articles = {pattern:?}")
        }
        SiteAlone::ArticleLimit => "the site had its max_new_articles_per_day".into(),
    }
}

fn because_not(audience: &Audience, outcome: Outcome, agent: &str) -> String {
    if outcome == Outcome::Prefetch {
        return "the browser loads the page before the visitor opens it; it counts when the page is shown".into();
    }
    match audience.bot_sign(agent.as_bytes()) {
        Some(BotSign::Text(text)) => {
            format!("the agent contains {:?}; to count it, add a text of it to bots.allow", String::from_utf8_lossy(text))
        }
        _ => "the agent does not begin with Mozilla/, Opera/ or UCWEB/, as those of all browsers do; to count it, add a text of it to bots.allow"
            .into(),
    }
}

fn because_refused(site: &Site, from: RequestOrigin, origin: Option<&Origin>) -> String {
    let own: Vec<_> = site.origins.iter().map(Origin::as_str).collect();
    let own = own.join(", ");
    match origin {
        Some(origin) if from == RequestOrigin::Foreign => {
            format!("{} is not one of the site's origins ({own}); if it should be, add it to origins", origin.as_str())
        }
        _ => format!("it names no origin, and its referrer no page of the site's origins ({own}), but {} has require_origin", site.id),
    }
}

/// The rules about other views that can decide, too.
fn unless(config: &Config, site: &Site, client: Option<IpAddr>, of_article: bool) -> Vec<String> {
    let rules = &site.rules;
    let mut unless = Vec::new();
    if !rules.repeat_window.is_zero() {
        let window = humantime::format_duration(rules.repeat_window);
        let what = if of_article { "the same article" } else { "the same page" };
        unless.push(format!("the visitor was counted for {what} within repeat_window = {window} (repeat); not with DNT: 1 or Sec-GPC: 1"));
    }
    if rules.max_views_per_second > 0 {
        unless.push(format!("the site has more than max_views_per_second = {} (rate_limited, 429)", rules.max_views_per_second));
    }
    let most = config.clients.max_requests_per_second;
    match client.map(|client| config.clients.resolver.limited(client)) {
        Some(None) => unless.push(format!(
            "it comes through {}, which is one of clients.trusted_proxies: then its client is the one that clients.header names",
            client.map(|client| client.to_string()).unwrap_or_default()
        )),
        _ if most > 0 => unless.push(format!("the client sends more than clients.max_requests_per_second = {most} (rate_limited, 429)")),
        _ => {}
    }
    if of_article && rules.max_new_articles_per_day > 0 {
        let most = rules.max_new_articles_per_day;
        unless.push(format!(
            "the article has no views yet, and max_new_articles_per_day = {most} is reached: then it counts for the site alone (article_limit)"
        ));
    }
    unless
}
