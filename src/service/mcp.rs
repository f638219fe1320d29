//! `/mcp`: the Model Context Protocol over Streamable HTTP, without sessions: one request of JSON-RPC,
//! one response of JSON.
//!
//! | revision | how a client speaks it |
//! |---|---|
//! | 2026-07-28 | every request names it in `_meta`; `server/discover` says what there is |
//! | 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05 | `initialize` agrees on one of them |
//!
//! Source: the specification's revisions as of November 2026.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::tools;
use crate::json::Json;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The revision without a handshake.
const MODERN: &str = "2026-07-28";

/// Revisions with one, newest first.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Milliseconds for which clients may keep the list of tools.
const LIST_KEPT: u32 = 300_000;

/// Codes of errors.
const PARSE: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const NO_METHOD: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_VERSION: i32 = -32022;

/// A request that is not answered with a result.
struct Fault {
    status: u16,
    code: i32,
    message: String,
    data: Option<Json>,
}

fn fault(code: i32, message: impl Into<String>) -> Fault {
    Fault {
        status: 200,
        code,
        message: message.into(),
        data: None,
    }
}

impl<H: Host> Service<H> {
    pub(super) async fn mcp<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let body = str::from_utf8(&exchange.request.body).unwrap_or_default();
        let Ok(message) = Json::parse(body) else {
            let fault = fault(PARSE, "the body is not JSON");
            return Ok(respond(
                &Json::Null,
                Err(Fault {
                    status: 400,
                    ..fault
                }),
            ));
        };
        // Revision 2025-03-26 alone had lists of messages, and hardly any client sends them.
        let id = message.get("id").cloned();
        let is_valid = message.get("jsonrpc").and_then(Json::as_str) == Some("2.0")
            && id.as_ref().is_none_or(is_id);
        let method = message.get("method").and_then(Json::as_str);
        let is_response = message.get("result").or(message.get("error")).is_some();
        let (id, method) = match (id, method) {
            (Some(id), Some(method)) if is_valid => (id, method),
            // Notifications, and responses to requests that were never made.
            (None, Some(_)) if is_valid => return Ok(Response::empty(202)),
            (Some(_), None) if is_valid && is_response => return Ok(Response::empty(202)),
            _ => {
                let fault = fault(INVALID_REQUEST, "not one request of JSON-RPC 2.0");
                return Ok(respond(
                    &Json::Null,
                    Err(Fault {
                        status: 400,
                        ..fault
                    }),
                ));
            }
        };
        let none = Json::object([]);
        let params = message.get("params").unwrap_or(&none);
        let result = self.call(exchange, method, params).await;
        Ok(respond(&id, result))
    }

    async fn call<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        method: &str,
        params: &Json,
    ) -> Result<Json, Fault> {
        let given = params.get("_meta").and_then(|meta| meta.get(VERSION_KEY));
        let given = given.and_then(Json::as_str);
        let header = exchange.request.header("mcp-protocol-version");
        if let (Some(given), Some(header)) = (given, header)
            && given != header
        {
            let fault = fault(HEADER_MISMATCH, "mcp-protocol-version and _meta differ");
            return Err(Fault {
                status: 400,
                ..fault
            });
        }
        let version = given.or(header);
        let is_modern = given == Some(MODERN);
        let is_known = |version: &str| LEGACY.contains(&version);
        if !is_modern && method != "initialize" && version.is_some_and(|one| !is_known(one)) {
            return Err(unsupported(version.unwrap_or_default()));
        }
        let mut result = match (method, is_modern) {
            ("initialize", false) => {
                let asked = params.get("protocolVersion").and_then(Json::as_str);
                let agreed = asked.filter(|version| is_known(version));
                let mut about = about();
                about.insert(0, ("protocolVersion", agreed.unwrap_or(LEGACY[0]).into()));
                about.push(("serverInfo", server()));
                about
            }
            ("ping", false) => Vec::new(),
            ("server/discover", true) => {
                let mut about = about();
                let versions = [MODERN].into_iter().chain(LEGACY);
                let versions = Json::Array(versions.map(Json::from).collect());
                about.insert(0, ("supportedVersions", versions));
                about
            }
            ("tools/list", _) => Vec::from([("tools", tools::list())]),
            ("tools/call", _) => {
                let name = params
                    .get("name")
                    .and_then(Json::as_str)
                    .unwrap_or_default();
                let arguments = match params.get("arguments") {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Object(members)) => members.clone(),
                    Some(_) => return Err(fault(INVALID_PARAMS, "arguments must be an object")),
                };
                let called = self.tool(exchange, name, arguments).await;
                called.ok_or_else(|| {
                    let known = tools::NAMES.join(", ");
                    fault(INVALID_PARAMS, format!("unknown tool; there are {known}"))
                })?
            }
            _ => return Err(fault(NO_METHOD, "no such method here")),
        };
        if is_modern {
            result.push(("resultType", "complete".into()));
            result.push(("_meta", Json::object([(SERVER_KEY, server())])));
            if method != "tools/call" {
                result.push(("ttlMs", LIST_KEPT.into()));
                result.push(("cacheScope", "public".into()));
            }
        }
        Ok(Json::object(result))
    }
}

fn is_id(id: &Json) -> bool {
    matches!(id, Json::String(_) | Json::Number(_))
}

fn server() -> Json {
    Json::object([
        ("name", "coracle".into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ])
}

/// What this server can do.
fn about() -> Vec<(&'static str, Json)> {
    let capabilities = [("tools", Json::object([]))];
    let instructions = "Documentation of one site. Find passages with search_docs, read whole pages \
                        with get_page, and cite the addresses that they give.";
    Vec::from([
        ("capabilities", Json::object(capabilities)),
        ("instructions", instructions.into()),
    ])
}

fn unsupported(requested: &str) -> Fault {
    let supported = [MODERN].into_iter().chain(LEGACY);
    let supported = Json::Array(supported.map(Json::from).collect());
    let requested: String = requested.chars().take(40).collect();
    let data = [("supported", supported), ("requested", requested.into())];
    Fault {
        status: 400,
        data: Some(Json::object(data)),
        ..fault(UNSUPPORTED_VERSION, "unsupported protocol version")
    }
}

fn respond(id: &Json, result: Result<Json, Fault>) -> Response {
    let mut status = 200;
    let outcome = match result {
        Ok(result) => ("result", result),
        Err(fault) => {
            status = fault.status;
            let mut error = Vec::from([
                ("code", Json::from(f64::from(fault.code))),
                ("message", fault.message.into()),
            ]);
            error.extend(fault.data.map(|data| ("data", data)));
            ("error", Json::object(error))
        }
    };
    let body = [("jsonrpc", "2.0".into()), ("id", id.clone()), outcome];
    Response::json(status, &Json::object(body))
}
