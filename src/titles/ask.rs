//! Asking a portal for one page: what is requested, from which addresses, and how much of the answer is read.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, LOCATION, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OnceCell,
    task::spawn_blocking,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{
    address::{AddressError, resolve},
    page::{charset_of, title},
};
use crate::domain::{
    article::ArticleId,
    site::{Origin, SiteId},
};

/// How long one question may take, with all redirects: a reader of a list sees its articles after at most that. Most pages take a
/// tenth of it.
pub(super) const ASK: Duration = Duration::from_secs(5);

/// How long one address may take to be connected to, so that there is time for another one.
const CONNECT: Duration = Duration::from_secs(2);

/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 3;

/// The most redirects: from http to https, to www, to another spelling of the path; browsers follow 20.
const MAX_REDIRECTS: usize = 5;

/// How much of a page is read, in bytes. The title is in its head; the rest is not read. Some pages have styles of 100 kB before it.
const MAX_PAGE: usize = 256 * 1024;

/// The longest head of an answer, in bytes, and its most headers.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// The name of the program that asks. It begins unlike all browsers, so counters take it for a bot.
pub const AGENT: &str = concat!("truycap/", env!("CARGO_PKG_VERSION"), " (titles of most-read pages)");

/// What a script leaves as it is in a path (`encodeURIComponent`), and the slash.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'/');

/// What a portal says about one article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// It has the article, with this title.
    Titled(Arc<str>),
    /// It has the article, which has no title.
    Untitled,
    /// It does not have it.
    Gone,
}

/// Why a portal did not say anything about an article. No text contains its path.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("{0}")]
    Address(#[from] AddressError),
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    #[error("no authorities for certificates: {0}")]
    Authorities(String),
    #[error("no TLS with {0}: {1}")]
    Tls(SocketAddr, io::Error),
    #[error("the connection broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer within {ASK:?}")]
    Late,
    #[error("the address of the page is not of an origin of the site")]
    Foreign,
    #[error("it redirects to {0}, which is not an origin of the site")]
    Redirected(String),
    #[error("it redirects more than {MAX_REDIRECTS} times, or to nowhere")]
    Lost,
    #[error("it answers {0}")]
    Status(u16),
}

impl AskError {
    /// Whether the portal answered, although with nothing of use.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Foreign | Self::Redirected(_) | Self::Lost | Self::Status(_))
    }
}

/// A question about an article.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) site: SiteId,
    /// Identifies the configuration of the site that it was asked with.
    pub(super) generation: u64,
    pub(super) origins: Arc<[Origin]>,
    pub(super) article: ArticleId,
}

enum Answer {
    Page(Page),
    Moved(String),
}

/// Whether a portal can be asked about an article: its id is a path, not a route within a page, and not one that a URL shortens to the
/// path of another page.
pub(super) fn is_path(article: &ArticleId) -> bool {
    let id = article.as_str();
    id.starts_with('/') && !id.contains('#') && !id.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Asks portals. It keeps no connection, because the next question is a day away, and no cookie.
#[derive(Debug, Default)]
pub(super) struct Asker {
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Asker {
    /// Asks a portal about an article.
    pub(super) async fn ask(&self, question: &Question) -> Result<Page, AskError> {
        timeout(ASK, self.follow(question)).await.unwrap_or(Err(AskError::Late))
    }

    async fn follow(&self, Question { origins, article, .. }: &Question) -> Result<Page, AskError> {
        let origin = origins.iter().find(|origin| origin.is_one()).ok_or(AskError::Foreign)?;
        let address = format!("{}{}", origin.as_str(), utf8_percent_encode(article.as_str(), ENCODED));
        let mut url = Url::parse(&address).map_err(|_| AskError::Foreign)?;
        if !is_own(origins, &url) {
            return Err(AskError::Foreign);
        }
        for _ in 0..=MAX_REDIRECTS {
            match self.get(&url).await? {
                Answer::Page(page) => return Ok(page),
                Answer::Moved(location) => url = url.join(&location).map_err(|_| AskError::Lost)?,
            }
            if !is_own(origins, &url) {
                return Err(AskError::Redirected(url.origin().ascii_serialization()));
            }
        }
        Err(AskError::Lost)
    }

    /// Requests one page of an origin of the site.
    async fn get(&self, url: &Url) -> Result<Answer, AskError> {
        let (host, port) = url.host().zip(url.port_or_known_default()).ok_or(AskError::Foreign)?;
        let addresses = resolve(&host, port).await?;
        let (stream, peer) = connect(&addresses).await?;
        if url.scheme() == "http" {
            return request(stream, url).await;
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| AskError::Foreign)?,
            Host::Ipv4(address) => ServerName::IpAddress(address.into()),
            Host::Ipv6(address) => ServerName::IpAddress(address.into()),
        };
        let tls = self.tls.get_or_try_init(tls).await?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|error| AskError::Tls(peer, error))?;
        request(stream, url).await
    }
}

/// Whether a page is of one of the site's origins.
fn is_own(origins: &[Origin], url: &Url) -> bool {
    let origin = url.origin().ascii_serialization();
    matches!(url.scheme(), "http" | "https") && origins.iter().any(|own| own.admits(origin.as_bytes()))
}

/// Trusts the authorities that the system trusts, as for Redis.
async fn tls() -> Result<Arc<ClientConfig>, AskError> {
    let failed = |error: &dyn ToString| AskError::Authorities(error.to_string());
    let found = spawn_blocking(rustls_native_certs::load_native_certs).await.map_err(|error| failed(&error))?;
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        return Err(found.errors.first().map_or_else(|| failed(&"the system has none"), |error| failed(error)));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Connects to the first address that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), AskError> {
    let mut last = AskError::Foreign;
    for address in addresses.iter().take(MAX_ADDRESSES) {
        let stream = timeout(CONNECT, TcpStream::connect(address)).await;
        match stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = AskError::Connect(*address, error),
        }
    }
    Err(last)
}

/// Sends the request on a new connection, which is closed when this returns.
async fn request(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, url: &Url) -> Result<Answer, AskError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(head(url)?).await?;
        read(response).await
    };
    // The answer can still be read after the connection has ended.
    let drive = async {
        let _ended = connection.await;
        std::future::pending::<Infallible>().await
    };
    let (exchange, drive) = (pin!(exchange), pin!(drive));
    tokio::select! {
        answer = exchange => answer,
        never = drive => match never {},
    }
}

fn head(url: &Url) -> Result<Request<Empty<Bytes>>, AskError> {
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::get(target)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "text/html, application/xhtml+xml")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    request.body(Empty::new()).map_err(|_| AskError::Lost)
}

async fn read(response: Response<Incoming>) -> Result<Answer, AskError> {
    let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Answer::Page(Page::Gone)),
        status if status.is_redirection() => return text(LOCATION).map(|to| Answer::Moved(to.into())).ok_or(AskError::Lost),
        status => return Err(AskError::Status(status.as_u16())),
    }
    let content_type = text(CONTENT_TYPE).unwrap_or_default().to_owned();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = text(CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    if !is_plain || !matches!(&*kind, "text/html" | "application/xhtml+xml") {
        return Ok(Answer::Page(Page::Untitled));
    }
    let page = body(response.into_body()).await?;
    // On a thread of its own, so that no request waits for a page that is hard to read.
    let title = spawn_blocking(move || title(&page, charset_of(&content_type))).await.unwrap_or(None);
    Ok(Answer::Page(title.map_or(Page::Untitled, |title| Page::Titled(title.into()))))
}

/// The first bytes of a body.
async fn body(mut body: Incoming) -> Result<Vec<u8>, AskError> {
    let mut page = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            page.extend_from_slice(&data[..data.len().min(MAX_PAGE - page.len())]);
        }
        if page.len() == MAX_PAGE {
            break;
        }
    }
    Ok(page)
}
