//! The page: its files as they are, without a build step.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// A file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! file {
    ($path:literal, $kind:ident) => {
        File { path: concat!("/", $path), kind: $kind, text: include_str!(concat!("../page/", $path)) }
    };
}

const FILES: [File; 11] = [
    file!("index.html", HTML),
    file!("style.css", CSS),
    file!("app.js", SCRIPT),
    file!("charts.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("graph.js", SCRIPT),
    file!("layout.js", SCRIPT),
    file!("list.js", SCRIPT),
    file!("panel.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("words.js", SCRIPT),
];

/// The file at a path; `/` is the page.
pub(crate) fn file(path: &str) -> Option<Response> {
    let path = if path == "/" { "/index.html" } else { path };
    let file = FILES.iter().find(|file| file.path == path)?;
    Some(([(CONTENT_TYPE, file.kind)], file.text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/page")).unwrap();
        let mut there: Vec<_> =
            folder.map(|file| format!("/{}", file.unwrap().file_name().into_string().unwrap())).collect();
        there.sort();
        let mut served: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        served.sort();
        assert_eq!(served, there);
    }

    /// What the page leaves out of texts of others is what a terminal does not get either.
    #[test]
    fn the_page_obeys_what_a_terminal_would_not() {
        let words = FILES.iter().find(|file| file.path == "/words.js").unwrap().text;
        let class = words.split("replace(/[").nth(1).unwrap().split("]/g, '\\ufffd')").next().unwrap();
        let points: Vec<_> = class.split("\\u").skip(1).collect();
        let code = |text: &str| u32::from_str_radix(text.trim_end_matches('-'), 16).unwrap();
        let (mut cleaned, mut i) = (Vec::new(), 0);
        while i < points.len() {
            let is_range = points[i].ends_with('-');
            let last = if is_range { points[i + 1] } else { points[i] };
            cleaned.extend(code(points[i])..=code(last));
            i += 1 + usize::from(is_range);
        }
        let obeyed = (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| replication::is_obeyed(*c));
        assert_eq!(cleaned, obeyed.map(u32::from).collect::<Vec<_>>());
    }

    #[test]
    fn the_page_asks_nobody_else_and_makes_no_markup_of_text() {
        for File { path, text, .. } in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=",
                "onclick=",
            ] {
                assert!(!text.contains(forbidden), "{path} says {forbidden}");
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !elsewhere.contains("http://") && !elsewhere.contains("https://"),
                "{path} names another server"
            );
        }
    }
}
