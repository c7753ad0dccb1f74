//! Who may ask, and what every answer says to the browser.
//!
//! A server on loopback can be reached by any page that the operator has open. So it answers only to names of loopback (else a page
//! could give its own name this address: DNS rebinding), only to its own pages as far as the browser tells, and to reads only.

use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What the page may do: run its own script, have its own style, ask its own server. Trusted types make assigning text as markup an
/// error, wherever it might be tried.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets reads by pages of this server through, and puts the headers on every answer.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let refusal = refusal(request.method(), request.headers());
    let mut response = match refusal {
        Some((status, words)) => (status, words).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(header::HOST).is_some_and(is_loopback) {
        let words = "header Host is not valid: allowed is 127.0.0.1, [::1] or localhost, with any port\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, words));
    }
    // A person who follows a link comes from elsewhere, and gets the page; a script of another page gets nothing.
    let from_elsewhere =
        matches!(text(HeaderName::from_static("sec-fetch-site")), Some("cross-site" | "same-site"));
    if from_elsewhere && text(HeaderName::from_static("sec-fetch-mode")) != Some("navigate") {
        return Some((StatusCode::FORBIDDEN, "header Sec-Fetch-Site is not valid: allowed is same-origin\n"));
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "the method is not valid: allowed is GET\n"));
    }
    None
}

/// Whether a `Host` header is a name of this machine to itself. The port does not matter: it may be forwarded.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        refusal(&method, &headers).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn only_names_of_loopback_are_answered() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LocalHost", "[::1]", "[::1]:8080"] {
            assert_eq!(refused(Method::GET, &[("host", host)]), None, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "127.0.0.1:80@evil.example",
            "169.254.169.254",
            "[::2]:80",
            "::1",
        ] {
            assert_eq!(refused(Method::GET, &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(refused(Method::GET, &[]), Some(421));
    }

    #[test]
    fn scripts_of_other_pages_get_nothing_and_links_lead_here() {
        let host = ("host", "127.0.0.1:1");
        for site in ["cross-site", "same-site"] {
            let fetch = [host, ("sec-fetch-site", site), ("sec-fetch-mode", "cors")];
            assert_eq!(refused(Method::GET, &fetch), Some(403));
            let link = [host, ("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
            assert_eq!(refused(Method::GET, &link), None);
        }
        for site in ["same-origin", "none"] {
            assert_eq!(refused(Method::GET, &[host, ("sec-fetch-site", site)]), None);
        }
    }

    #[test]
    fn nothing_is_written() {
        let host = ("host", "127.0.0.1:1");
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            assert_eq!(refused(method, &[host]), Some(405));
        }
        assert_eq!(refused(Method::HEAD, &[host]), None);
    }
}
