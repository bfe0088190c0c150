//! The short page for people who open the relay's address in a browser.

use super::reply;
use http::{HeaderValue, StatusCode, header};
use relay_config::Hot;
use warp::reply::Response;

/// Nothing is loaded, nothing runs, nobody frames it.
const POLICY: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The page of this configuration.
pub fn answer(hot: &Hot) -> Response {
    let mut response = reply::body(StatusCode::OK, "text/html; charset=utf-8", html(hot));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::VARY, "Accept"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn html(hot: &Hot) -> String {
    let name = escape(hot.info.name.as_deref().unwrap_or("Nostr relay"));
    let description = hot.info.description.as_deref().map(escape);
    let description = description.map_or(String::new(), |text| format!("<p>{text}</p>\n"));
    let url = hot.url.as_deref().map(escape);
    let url = url.map_or(String::new(), |url| format!(" <code>{url}</code>"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name}</title>\n<h1>{name}</h1>\n{description}\
         <p>This is a Nostr relay. Add its address{url} to a Nostr client to use it.</p>\n</html>\n"
    )
}

/// Text that is safe between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_the_configuration_cannot_become_markup() {
        let mut hot = Hot::default();
        hot.info.name = Some("<script>alert('x')</script>".into());
        hot.info.description = Some("a & \"b\"".into());
        let html = html(&hot);
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{html}");
        assert!(html.contains("<p>a &amp; &quot;b&quot;</p>"), "{html}");
    }
}
