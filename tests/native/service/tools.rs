//! `/mcp`: tools for models.

use super::*;
use coracle_cli::vectors::AccessChoice;

#[test]
fn mcp_agrees_on_a_revision_with_a_handshake() {
    let service = searching();
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": client });
        let result = call(&service, "initialize", params).json()["result"].clone();
        assert_eq!(result["protocolVersion"], agreed);
        assert_eq!(result["serverInfo"]["name"], "coracle");
        assert!(result["capabilities"]["tools"].is_object());
    }
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let got = post(&service, "/mcp", note);
    assert_eq!((got.status, got.body().as_str()), (202, ""));
    assert_eq!(
        call(&service, "ping", json!({})).json(),
        json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
    );
    let listed = call(&service, "tools/list", json!({})).json();
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(names, ["search_docs", "get_page", "list_pages"]);
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["query"]));
    let got = ask(
        &service,
        &with(
            request(
                "POST",
                "/mcp",
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            ),
            "mcp-protocol-version",
            "1900-01-01",
        ),
    );
    assert_eq!(got.status, 400);
}

#[test]
fn mcp_without_a_handshake_names_its_revision_in_every_request() {
    let service = searching();
    let meta = |version: &str| json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {} } });
    let result = call(&service, "server/discover", meta("2026-07-28")).json()["result"].clone();
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "coracle"
    );
    let result = call(&service, "tools/list", meta("2026-07-28")).json()["result"].clone();
    assert_eq!(
        (&result["cacheScope"], result["ttlMs"].as_u64()),
        (&json!("public"), Some(300_000))
    );
    let got = call(&service, "tools/list", meta("2030-01-01"));
    assert_eq!(
        (got.status, &got.json()["error"]["code"]),
        (400, &json!(-32022))
    );
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": meta("2026-07-28") });
    let asked = with(
        request("POST", "/mcp", &body.to_string()),
        "mcp-protocol-version",
        "2025-11-25",
    );
    assert_eq!(ask(&service, &asked).json()["error"]["code"], -32020);
}

#[test]
fn mcp_tools_search_read_and_list() {
    let service = searching();
    let found = tool(
        &service,
        "search_docs",
        json!({ "query": "harbour pilot", "limit": 3 }),
    );
    let hits = found["structuredContent"]["hits"]
        .as_array()
        .expect("hits")
        .clone();
    assert_eq!(hits.len(), 3);
    let text = found["content"][0]["text"].as_str().expect("text");
    assert!(text.contains(hits[0]["text"].as_str().expect("text")));
    let page = tool(&service, "get_page", json!({ "chunk": hits[0]["chunk"] }));
    let structured = &page["structuredContent"];
    let url = structured["url"].as_str().expect("a url");
    assert!(hits[0]["url"].as_str().expect("a url").starts_with(url));
    assert!(
        structured["text"]
            .as_str()
            .expect("text")
            .contains(hits[0]["text"].as_str().expect("text"))
    );
    let same = tool(
        &service,
        "get_page",
        json!({ "url": format!("{url}#part-0") }),
    );
    assert_eq!(same["structuredContent"], *structured);
    let pages = tool(&service, "list_pages", json!({ "offset": 15, "limit": 3 }));
    let pages = &pages["structuredContent"];
    assert_eq!((&pages["total"], &pages["next"]), (&json!(20), &json!(18)));
    assert_eq!(pages["pages"][0]["url"], "/doc/15");
    let last = tool(&service, "list_pages", json!({ "offset": 18 }));
    assert_eq!(last["structuredContent"]["next"], Json::Null);
}

#[test]
fn a_page_of_a_large_index_is_found_by_the_words_of_its_address() {
    let mut documents = support::documents(5_100, 1);
    let page = documents.last_mut().expect("a document");
    (page.url, page.title) = ("/winds/zephyr/".into(), "Zephyr".into());
    let memory = support::memory_with(&documents, support::RANGE, AccessChoice::Scan);
    let service = service(memory, Config::default());
    let found = tool(&service, "get_page", json!({ "url": "/winds/zephyr/" }));
    assert_eq!(found["structuredContent"]["title"], "Zephyr");
}

#[test]
fn mcp_faults_are_those_of_json_rpc() {
    let service = searching();
    for (body, status, code) in [
        ("{", 400, -32700),
        ("[]", 400, -32600),
        (r#"{"id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#,
            200,
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#,
            200,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_page","arguments":[1]}}"#,
            200,
            -32602,
        ),
    ] {
        let got = post(&service, "/mcp", body);
        assert_eq!(
            (got.status, &got.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    for (name, arguments) in [
        ("search_docs", json!({})),
        ("search_docs", json!({ "query": "a", "limit": 1000 })),
        ("search_docs", json!({ "query": "a", "model": "x" })),
        ("get_page", json!({})),
        ("get_page", json!({ "chunk": 999_999 })),
        ("get_page", json!({ "url": "/nowhere" })),
        ("list_pages", json!({ "limit": 0 })),
    ] {
        let said = tool(&service, name, arguments.clone());
        assert_eq!(said["isError"], true, "{name} {arguments}");
        assert!(
            said["content"][0]["text"]
                .as_str()
                .is_some_and(|text| text.len() > 5)
        );
    }
}
