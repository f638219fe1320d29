//! Path of a file → the address at which the site serves it.

use percent_encoding::AsciiSet;
use percent_encoding::CONTROLS;
use percent_encoding::utf8_percent_encode;

/// How a site generator turns file names into addresses. Index files are always their folder's
/// address, except with [`UrlStyle::File`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum UrlStyle {
    /// `guide.md` → `guide/`; HTML files keep their names.
    #[default]
    Directory,
    /// `guide.md` → `guide.html`.
    Html,
    /// `guide.md`, `guide.html` → `guide`.
    Clean,
    /// Every file keeps its name.
    File,
}

/// What is percent-encoded in a path.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The address of the file at `path` (relative, with `/`) below `base`.
///
/// `own` is an address that the page asks for itself, `slug` the last part of one.
#[must_use]
pub fn address(
    base: &str,
    path: &str,
    style: UrlStyle,
    own: Option<&str>,
    slug: Option<&str>,
) -> String {
    if let Some(own) = own {
        return if is_absolute(own) {
            own.to_owned()
        } else {
            join(base, own)
        };
    }
    if let Some(slug) = slug.filter(|slug| slug.starts_with('/')) {
        return join(base, slug);
    }
    let (folder, file) = path
        .rsplit_once('/')
        .map_or(("", path), |(folder, file)| (folder, file));
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let is_html = matches!(extension, "html" | "htm" | "xhtml");
    let is_markdown = matches!(extension, "md" | "markdown" | "mdx");
    let is_index = slug.is_none()
        && ((is_html || is_markdown) && stem == "index"
            || is_markdown && stem.eq_ignore_ascii_case("readme"));
    let stem = slug.unwrap_or(stem);
    let name = match style {
        UrlStyle::File => file.to_owned(),
        _ if is_index => String::new(),
        UrlStyle::Directory if is_markdown => format!("{stem}/"),
        UrlStyle::Html if is_markdown => format!("{stem}.html"),
        UrlStyle::Clean if is_markdown || is_html => stem.to_owned(),
        UrlStyle::Directory | UrlStyle::Html | UrlStyle::Clean => file.to_owned(),
    };
    let path = if folder.is_empty() {
        name
    } else {
        format!("{folder}/{name}")
    };
    join(base, &utf8_percent_encode(&path, PATH).to_string())
}

fn join(base: &str, path: &str) -> String {
    if base.is_empty() {
        return path.to_owned();
    }
    format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}

fn is_absolute(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://") || url.starts_with("//")
}

/// Whether `url` may stand in a link: relative, or http(s). `javascript:` and its like may not.
#[must_use]
pub fn is_safe(url: &str) -> bool {
    if url
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() && c != ' ')
    {
        return false;
    }
    let before_path = url
        .trim_start()
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    match before_path.split_once(':') {
        None => true,
        Some((scheme, _)) => {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_style_of_the_site() {
        let table = [
            ("foo/index.html", UrlStyle::Directory, "/foo/"),
            ("index.md", UrlStyle::Directory, "/"),
            ("a/README.md", UrlStyle::Html, "/a/"),
            ("a/b c.md", UrlStyle::Directory, "/a/b%20c/"),
            ("a/b.md", UrlStyle::Html, "/a/b.html"),
            ("a/b.html", UrlStyle::Directory, "/a/b.html"),
            ("a/b.html", UrlStyle::Clean, "/a/b"),
            ("a/index.html", UrlStyle::File, "/a/index.html"),
            ("ü.txt", UrlStyle::Clean, "/%C3%BC.txt"),
        ];
        for (path, style, expected) in table {
            assert_eq!(
                address("/", path, style, None, None),
                expected,
                "{path} {style:?}"
            );
        }
        let base = "https://example.org/docs/";
        assert_eq!(
            address(base, "foo/index.html", UrlStyle::Directory, None, None),
            "https://example.org/docs/foo/"
        );
        assert_eq!(
            address("", "foo/index.html", UrlStyle::Directory, None, None),
            "foo/"
        );
    }

    #[test]
    fn pages_may_name_their_own_address() {
        let style = UrlStyle::Directory;
        assert_eq!(
            address("/d", "a/b.md", style, Some("/x/y/"), None),
            "/d/x/y/"
        );
        assert_eq!(
            address("/d", "a/b.md", style, Some("https://e.org/"), None),
            "https://e.org/"
        );
        assert_eq!(
            address("/d", "a/index.md", style, None, Some("z")),
            "/d/a/z/"
        );
        assert_eq!(address("/d", "a/b.md", style, None, Some("/top")), "/d/top");
    }

    #[test]
    fn only_links_that_run_nothing_are_safe() {
        for safe in [
            "",
            "/a:b",
            "a/b?c:d",
            "https://x.org/",
            "HTTP://x",
            "#a",
            "//x.org/a",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_url in [
            "javascript:alert(1)",
            " JavaScript:x",
            "data:text/html,x",
            "java\nscript:x",
            "vbscript:x",
        ] {
            assert!(!is_safe(unsafe_url), "{unsafe_url}");
        }
    }
}
