//! What operators see: counters, the log, the description of the routes.

use super::*;

#[test]
fn metrics_count_what_happened() {
    let service = service(memory(), config(&[("METRICS", "true")]));
    get(&service, "/search?q=harbour");
    get(&service, "/search");
    let got = get(&service, "/metrics");
    assert_eq!(
        got.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = got.body();
    for line in [
        "coracle_requests_total{route=\"/search\",status=\"200\"} 1",
        "coracle_requests_total{route=\"/search\",status=\"400\"} 1",
        "coracle_request_duration_seconds_bucket{route=\"/search\",le=\"0.001\"} 2",
        "coracle_request_duration_seconds_bucket{route=\"/search\",le=\"+Inf\"} 2",
        "# TYPE coracle_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(text.contains("coracle_index_info{build=\""));
    let shape = |line: &str| {
        line.starts_with('#')
            || line
                .rsplit_once(' ')
                .is_some_and(|(_, number)| number.parse::<f64>().is_ok())
    };
    assert!(text.lines().all(shape), "{text}");
}

#[test]
fn feedback_is_a_line_in_the_log() {
    let service = searching();
    let body = json!({ "rating": "down", "request": "abc", "comment": "no\nanswer \"here\"" });
    let got = post(&service, "/feedback", &body.to_string());
    assert_eq!((got.status, got.body().as_str()), (204, ""));
    let lines = log(&service);
    let line = lines
        .iter()
        .find(|line| line["event"] == "feedback")
        .expect("a line");
    assert_eq!(line["feedback"], body);
}

#[test]
fn one_line_is_logged_for_each_request_without_the_question() {
    let service = searching();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = request("GET", "/search?q=harbour+pilot", "");
    let asked = with(with(asked, "x-request-id", "mine-1"), "traceparent", trace);
    let got = ask(&service, &asked);
    assert_eq!(got.header("x-request-id"), "mine-1");
    assert_eq!(got.header("traceparent"), trace);
    let forged = with(
        request("GET", "/version", ""),
        "x-request-id",
        "a\r\nset-cookie: b",
    );
    let got = ask(&service, &forged);
    assert_eq!(got.header("x-request-id"), "8000000080000000");
    let lines = log(&service);
    assert_eq!(lines.len(), 2);
    let line = &lines[0];
    for (name, value) in [
        ("id", json!("mine-1")),
        ("traceparent", json!(trace)),
        ("method", json!("GET")),
        ("route", json!("/search")),
        ("status", json!(200)),
        ("query_length", json!(13)),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    assert!(line["bytes"].as_u64() > Some(0) && line["reads"].as_u64() > Some(0));
    assert!(
        line["build"]
            .as_str()
            .is_some_and(|build| build.len() == 16)
    );
    assert!(!line.to_string().contains("harbour"), "{line}");
}

#[test]
fn openapi_describes_all_routes_there_are() {
    let service = searching();
    let plain = get(&service, "/openapi.json").json();
    assert_eq!(plain["openapi"], "3.1.0");
    assert!(plain["paths"]["/metrics"].is_null() && plain["paths"]["/embed"].is_null());
    let whole = machine::service(memory(), embedding_config(&[("METRICS", "true")]));
    let whole = get(&whole, "/openapi.json").json();
    let paths = whole["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{path}");
            let got = ask(&service, &request(&method.to_uppercase(), path, ""));
            assert_ne!(got.status, 405, "{method} {path}");
        }
    }
    assert_eq!(paths.len(), 13);
    let parameters = whole["paths"]["/search"]["get"]["parameters"]
        .as_array()
        .expect("parameters");
    assert_eq!(parameters[0]["name"], "q");
    assert_eq!(parameters[0]["required"], true);
    let query =
        &whole["paths"]["/query"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(query["required"], json!(["question"]));
}
