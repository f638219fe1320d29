//! Who may ask for how much.

use super::*;

#[test]
fn origins_are_matched_exactly() {
    let service = service(memory(), config(&[("ALLOW_ORIGIN", ORIGIN)]));
    let search = request("GET", "/search?q=harbour", "");
    let got = ask(&service, &with(search.clone(), "origin", ORIGIN));
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(got.header("vary"), "origin");
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    for origin in [
        "null",
        "https://docs.example.com.evil.example",
        "http://docs.example.com",
        "https://DOCS.example.com",
        "https://docs.example.com:8443",
    ] {
        let got = ask(&service, &with(search.clone(), "origin", origin));
        assert_eq!(
            (got.status, got.header("access-control-allow-origin")),
            (200, "")
        );
        for target in ["/query", "/v1/chat/completions", "/ui", "/mcp", "/feedback"] {
            let asked = request("POST", target, r#"{"question":"harbour pilot"}"#);
            let got = ask(&service, &with(asked, "origin", origin));
            assert_eq!(got.refusal(), (403, "origin".into()), "{target} {origin}");
            assert_eq!(got.header("access-control-allow-origin"), "");
        }
    }
    assert_eq!(
        ask(&service, &with(query.clone(), "origin", ORIGIN)).status,
        200
    );
    assert_eq!(
        ask(&service, &query).status,
        200,
        "a program, where no token is needed"
    );
    // Without a list anybody's page may search, none may ask for answers.
    let open = searching();
    let got = ask(&open, &with(query, "origin", ORIGIN));
    assert_eq!(got.refusal(), (403, "origin".into()));
    assert_eq!(got.header("access-control-allow-origin"), "");
}

#[test]
fn preflight_says_who_may_send_what() {
    let service = service(memory(), config(&[("ALLOW_ORIGIN", ORIGIN)]));
    let got = ask(
        &service,
        &with(request("OPTIONS", "/search", ""), "origin", ORIGIN),
    );
    assert_eq!((got.status, got.body().as_str()), (204, ""));
    assert_eq!(
        got.header("access-control-allow-methods"),
        "GET, HEAD, POST, OPTIONS"
    );
    assert_eq!(got.header("access-control-allow-headers"), "content-type");
    let asked = request("OPTIONS", "/v1/chat/completions", "");
    let asked = with(
        asked,
        "access-control-request-headers",
        "authorization,x-stainless-lang",
    );
    let got = ask(&service, &with(asked.clone(), "origin", ORIGIN));
    assert_eq!(
        got.header("access-control-allow-headers"),
        "authorization,x-stainless-lang"
    );
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    let got = ask(&service, &with(asked, "origin", "https://evil.example"));
    assert_eq!(got.header("access-control-allow-origin"), "");
}

#[test]
fn programs_show_a_token_where_tokens_are_set() {
    let settings = [("API_TOKENS", TOKEN), ("ALLOW_ORIGIN", ORIGIN)];
    let service = service(memory(), config(&settings));
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    for token in [
        None,
        Some("Bearer "),
        Some("Bearer secret-token-of-programt"),
        Some(TOKEN),
        Some("Basic x"),
    ] {
        let mut asked = query.clone();
        if let Some(token) = token {
            asked = with(asked, "authorization", token);
        }
        let got = ask(&service, &asked);
        assert_eq!(got.refusal(), (401, "unauthorized".into()), "{token:?}");
        assert_eq!(got.header("www-authenticate"), "Bearer");
    }
    let bearer = format!("bearer {TOKEN}");
    let with_token = with(query.clone(), "authorization", &bearer);
    assert_eq!(ask(&service, &with_token).status, 200);
    assert_eq!(
        ask(&service, &with(query, "origin", ORIGIN)).status,
        200,
        "a page needs none"
    );
    assert_eq!(
        get(&service, "/search?q=harbour").status,
        200,
        "nor does who searches"
    );
}

#[test]
fn clients_are_limited_by_cost_and_get_it_back() {
    let service = service(memory(), config(&[("RATE_LIMIT", "41")]));
    let query = request("POST", "/query", r#"{"question":"harbour pilot"}"#);
    assert_eq!(ask(&service, &query).status, 200);
    assert_eq!(ask(&service, &query).status, 200);
    let got = ask(&service, &query);
    assert_eq!(got.refusal(), (429, "rate-limited".into()));
    assert_eq!(got.header("retry-after"), "28");
    assert_eq!(
        get(&service, "/search?q=harbour").status,
        200,
        "a search is still affordable"
    );
    let mut other = query.clone();
    other.client = "2001:db8::1".into();
    assert_eq!(ask(&service, &other).status, 200);
    let clock = &service.host().clock;
    clock.set(clock.get() + 60_000);
    assert_eq!(ask(&service, &query).status, 200);
    service.host().admits.set(Some(false));
    other.client = "another".into();
    assert_eq!(
        ask(&service, &other).refusal().0,
        429,
        "the host's own limiter"
    );
    assert_eq!(get(&service, "/health").status, 200, "costs nothing");
}
