//! The description of the service in OpenAPI 3.1, out of the tables that requests are checked by.

use super::Config;
use super::Host;
use super::Service;
use super::completions;
use super::conversation::MAX_MESSAGES;
use super::embed;
use super::exchange::Response;
use super::feedback;
use super::given::Kind;
use super::given::MAX_QUERY;
use super::given::Parameter;
use super::query;
use super::route::Route;
use super::search;
use super::session;
use super::ui;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

impl<H: Host> Service<H> {
    pub(super) fn openapi(&self) -> Response {
        let mut response = Response::json(200, &document(&self.config));
        response.headers = Vec::from([("cache-control", "public, max-age=300".into())]);
        response
    }
}

fn document(config: &Config) -> Json {
    let routes = Route::ALL.into_iter();
    let routes = routes.filter(|route| Route::of(route.path(), config).is_some());
    let paths = routes.map(|route| {
        let methods = route.methods().iter().filter(|method| **method != "HEAD");
        let operations = methods.map(|method| (lower(method), operation(route, method)));
        let operations: Vec<(String, Json)> = operations.collect();
        (route.path(), Json::Object(operations))
    });
    let info = Json::object([
        ("title", "Coracle".into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        (
            "description",
            "Hybrid search and cited answers from static files.".into(),
        ),
    ]);
    let bearer = Json::object([("type", "http".into()), ("scheme", "bearer".into())]);
    let text = || Json::object([("type", "string".into())]);
    let error = Json::object([("code", text()), ("message", text())]);
    let error = object_schema([("error", object_schema_of(error))]);
    let components = Json::object([
        ("securitySchemes", Json::object([("token", bearer)])),
        ("schemas", Json::object([("Error", error)])),
    ]);
    Json::object([
        ("openapi", "3.1.0".into()),
        ("info", info),
        ("paths", Json::object(paths)),
        ("components", components),
    ])
}

fn lower(method: &str) -> String {
    method.to_ascii_lowercase()
}

fn operation(route: Route, method: &str) -> Json {
    let mut out: Vec<(&str, Json)> = Vec::from([("summary", route.about().into())]);
    let table = table(route);
    if method == "GET" && !table.is_empty() {
        let parameters = table.iter().map(|parameter| {
            Json::object([
                ("name", parameter.name.into()),
                ("in", "query".into()),
                ("required", is_required(parameter).into()),
                ("description", parameter.about.into()),
                ("schema", schema(parameter.kind)),
            ])
        });
        out.push(("parameters", Json::Array(parameters.collect())));
    }
    if method == "POST" {
        let mut schema = table_schema(table);
        // Clients of other APIs send more than is read.
        if let (Json::Object(members), Route::Completions | Route::Ui | Route::Mcp) =
            (&mut schema, route)
        {
            members.retain(|(name, _)| name != "additionalProperties");
        }
        let content = Json::object([("schema", schema)]);
        let content = Json::object([("application/json", content)]);
        let is_needed = route != Route::Session;
        let body = [("required", is_needed.into()), ("content", content)];
        out.push(("requestBody", Json::object(body)));
    }
    if route.is_guarded() {
        // A page of an allowed origin needs no token.
        let token = Json::object([("token", Json::Array(Vec::new()))]);
        let none = Json::object([]);
        out.push(("security", Json::Array(Vec::from([token, none]))));
    }
    let described = |text: &str| Json::object([("description", text.into())]);
    let error = Json::object([("$ref", "#/components/schemas/Error".into())]);
    let error = Json::object([("schema", error)]);
    let error = Json::object([
        (
            "description",
            "Why not: a code for programs, a sentence for people.".into(),
        ),
        ("content", Json::object([("application/json", error)])),
    ]);
    let success = match route {
        Route::Feedback => ("204", described("Noted.")),
        Route::Metrics => ("200", with_content("Counters.", &["text/plain"])),
        Route::Query | Route::Completions => {
            let types = ["application/json", "text/event-stream"];
            ("200", with_content("An answer.", &types))
        }
        Route::Ui => ("200", with_content("An answer.", &["text/event-stream"])),
        _ => ("200", with_content(route.about(), &["application/json"])),
    };
    out.push(("responses", Json::object([success, ("default", error)])));
    Json::object(out)
}

fn with_content(about: &str, types: &[&str]) -> Json {
    let content = types.iter().map(|name| (*name, Json::object([])));
    Json::object([
        ("description", about.into()),
        ("content", Json::object(content)),
    ])
}

fn table(route: Route) -> &'static [Parameter] {
    match route {
        Route::Search => &search::PARAMETERS,
        Route::Query => &query::PARAMETERS,
        Route::Completions => &completions::PARAMETERS,
        Route::Ui => &ui::PARAMETERS,
        Route::Embed => &embed::PARAMETERS,
        Route::Session => &session::PARAMETERS,
        Route::Feedback => &feedback::PARAMETERS,
        _ => &[],
    }
}

fn is_required(parameter: &Parameter) -> bool {
    parameter.kind == Kind::Query || matches!(parameter.name, "messages" | "rating")
}

/// A table as the JSON Schema of an object.
pub fn table_schema(table: &[Parameter]) -> Json {
    let properties = table.iter().map(|parameter| {
        let mut schema = schema(parameter.kind);
        if let Json::Object(members) = &mut schema {
            members.push(("description".into(), parameter.about.into()));
        }
        (parameter.name, schema)
    });
    let required = table.iter().filter(|parameter| is_required(parameter));
    let required = required.map(|parameter| parameter.name.into());
    Json::object([
        ("type", "object".into()),
        ("properties", Json::object(properties)),
        ("required", Json::Array(required.collect())),
        ("additionalProperties", false.into()),
    ])
}

fn object_schema<'a>(properties: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    object_schema_of(Json::object(properties))
}

fn object_schema_of(properties: Json) -> Json {
    Json::object([("type", "object".into()), ("properties", properties)])
}

/// What a parameter may be, as JSON Schema.
fn schema(kind: Kind) -> Json {
    let text = |most: usize| {
        Json::object([
            ("type", "string".into()),
            ("maxLength", (most as f64).into()),
        ])
    };
    let list = |items: Json, most: usize| {
        Json::object([
            ("type", "array".into()),
            ("items", items),
            ("maxItems", (most as f64).into()),
        ])
    };
    let plain = |name: &str| Json::object([("type", name.into())]);
    match kind {
        Kind::Query => text(MAX_QUERY),
        Kind::Text(most) => text(most),
        Kind::Flag => plain("boolean"),
        Kind::Whole(least, most) => Json::object([
            ("type", "integer".into()),
            ("minimum", least.into()),
            ("maximum", most.into()),
        ]),
        Kind::Share => Json::object([
            ("type", "number".into()),
            ("minimum", 0.into()),
            ("maximum", 1.into()),
        ]),
        Kind::Choice(names) => {
            let names = names.iter().map(|&name| name.into()).collect();
            Json::object([("type", "string".into()), ("enum", Json::Array(names))])
        }
        Kind::Names(most) => list(plain("string"), most),
        Kind::Numbers => list(plain("number"), super::given::MAX_COMPONENTS),
        Kind::Filter => plain("object"),
        Kind::Messages => list(plain("object"), MAX_MESSAGES),
    }
}
