//! Requests of the same time that want the same.

use super::*;
use coracle::answer::Gone;
use std::pin::Pin;

/// What a request comes to if it is driven once more; nothing while it waits.
fn drive(handled: &mut Pin<Box<impl Future<Output = Result<(), Gone>>>>) -> Option<()> {
    let mut context = Context::from_waker(Waker::noop());
    match handled.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done.expect("the client stays")),
        Poll::Pending => None,
    }
}

/// The service on a machine whose models do not answer until they are told to.
fn held(config: Config) -> Service<Machine> {
    let service = service(memory(), config);
    assert_eq!(get(&service, "/health").status, 200);
    let machine = service.host();
    machine.is_frozen.set(true);
    machine.is_held.set(true);
    service
}

fn sent(service: &Service<Machine>) -> usize {
    service.host().sent.borrow().len()
}

fn caches(service: &Service<Machine>) -> Vec<Json> {
    let lines = log(service).into_iter().skip(1);
    lines.map(|line| line["cache"].clone()).collect()
}

fn row() -> Vec<f32> {
    support::unprojected(&[0.5; support::DIM])
}

/// A search that may use the model.
fn search() -> Request {
    let search = request("GET", "/search?q=harbour&mode=vector", "");
    with(search, "origin", ORIGIN)
}

#[test]
fn one_query_is_embedded_once_for_all_who_ask_meanwhile() {
    let service = held(embedding_config(&[]));
    let script = &service.host().script;
    script.borrow_mut().push_back(embedding(&row()));
    let embed = request("POST", "/embed", r#"{"q":"harbour"}"#);
    let query = request("POST", "/query", r#"{"question":"harbour"}"#);
    let asked = [
        search(),
        with(embed, "origin", ORIGIN),
        with(query, "origin", ORIGIN),
    ];
    let mut got = [Got::default(), Got::default(), Got::default()];
    let [a, b, c] = &mut got;
    let mut first = Box::pin(service.handle(&asked[0], a));
    let mut second = Box::pin(service.handle(&asked[1], b));
    let mut third = Box::pin(service.handle(&asked[2], c));
    assert_eq!(drive(&mut first), None);
    assert_eq!(drive(&mut second), None);
    assert_eq!(drive(&mut third), None);
    assert_eq!(sent(&service), 1);
    service.host().is_held.set(false);
    assert_eq!(drive(&mut second), None, "the first one has not gone on");
    for handled in [&mut first, &mut second] {
        assert_eq!(drive(handled), Some(()));
    }
    assert_eq!(drive(&mut third), Some(()));
    drop((first, second, third));
    assert_eq!(sent(&service), 1);
    assert_eq!(
        caches(&service),
        [json!("miss"), json!("shared"), json!("miss")]
    );
    assert!(got.iter().all(|got| got.status == 200));
    assert_eq!(
        got[1].json()["embedding"].as_array().map(Vec::len),
        Some(row().len())
    );
    assert_eq!(got[2].json()["degraded"], json!([]), "{}", got[2].body());
}

#[test]
fn answers_use_the_embeddings_that_are_kept() {
    let service = service(memory(), embedding_config(&[]));
    let script = &service.host().script;
    script.borrow_mut().push_back(embedding(&row()));
    assert_eq!(ask(&service, &search()).status, 200);
    for question in ["harbour", "harbour "] {
        let query = json!({ "question": question }).to_string();
        let got = ask(
            &service,
            &with(request("POST", "/query", &query), "origin", ORIGIN),
        );
        assert_eq!(got.json()["degraded"], json!([]), "{}", got.body());
    }
    assert_eq!(sent(&service), 1, "the answer's query is kept as well");
}

#[test]
fn embedding_that_fails_or_is_left_is_asked_for_anew() {
    let service = held(embedding_config(&[]));
    let asked = search();
    let mut got = [Got::default(), Got::default(), Got::default()];
    let [a, b, c] = &mut got;
    let mut first = Box::pin(service.handle(&asked, a));
    let mut second = Box::pin(service.handle(&asked, b));
    let mut third = Box::pin(service.handle(&asked, c));
    assert_eq!((drive(&mut first), drive(&mut second)), (None, None));
    assert_eq!(drive(&mut third), None);
    // The first client hangs up; the second request takes over, the third goes on waiting.
    drop(first);
    assert_eq!((drive(&mut second), drive(&mut third)), (None, None));
    assert_eq!(sent(&service), 2);
    // Its model refuses; the third request asks for itself.
    service.host().is_held.set(false);
    let refused = Scripted::Answers(400, vec!["{}".into()]);
    let script = &service.host().script;
    script.borrow_mut().extend([refused, embedding(&row())]);
    assert_eq!(drive(&mut second), Some(()));
    assert_eq!(drive(&mut third), Some(()));
    drop((second, third));
    assert_eq!(sent(&service), 3);
    assert_eq!(got[1].header("coracle-degraded"), "embedding");
    assert_eq!(
        (got[2].status, got[2].header("coracle-degraded")),
        (200, "")
    );
}

#[test]
fn who_waits_for_another_too_long_does_without() {
    let service = held(embedding_config(&[]));
    let (asked, mut got) = (search(), Got::default());
    let mut silent = Box::pin(service.handle(&asked, &mut got));
    assert_eq!(drive(&mut silent), None);
    // Its host never drives it again, and says nothing of that.
    service.host().is_frozen.set(false);
    let got = ask(&service, &asked);
    assert_eq!(
        (got.status, got.header("coracle-degraded")),
        (200, "embedding")
    );
    service.host().is_held.set(false);
    let script = &service.host().script;
    script.borrow_mut().push_back(embedding(&row()));
    let got = ask(&service, &asked);
    assert_eq!((got.status, got.header("coracle-degraded")), (200, ""));
    drop(silent);
}

#[test]
fn one_answer_is_written_once_for_all_who_ask_meanwhile() {
    for cache in ["0", "600"] {
        let service = held(with_chat(&[
            ("CACHE_SECONDS", cache),
            ("DAILY_TOKENS", "11100"),
        ]));
        say(&service, SAID);
        let bodies = [asked(json!({ "stream": true })), asked(json!({}))];
        let other = asked(json!({ "filter": { "lang": "en" } }));
        let asked = bodies.map(|body| request("POST", "/query", &body));
        let mut got = [Got::default(), Got::default()];
        let [a, b] = &mut got;
        let mut first = Box::pin(service.handle(&asked[0], a));
        let mut second = Box::pin(service.handle(&asked[1], b));
        assert_eq!((drive(&mut first), drive(&mut second)), (None, None));
        assert_eq!(sent(&service), 1);
        // Another filter is another answer, for which the day has no tokens left.
        service.host().is_frozen.set(false);
        let unlike = post(&service, "/query", &other).json();
        assert_eq!(unlike["degraded"][0]["code"], "budget", "{unlike}");
        service.host().is_held.set(false);
        assert_eq!(
            (drive(&mut first), drive(&mut second)),
            (Some(()), Some(()))
        );
        drop((first, second));
        assert_eq!(sent(&service), 1);
        let told = got[0].data();
        let text: String = told
            .iter()
            .filter_map(|data| data["text"].as_str())
            .collect();
        let whole = got[1].json();
        assert_eq!(
            (&whole["answer"], &whole["outcome"]),
            (&json!(text), &json!("answered"))
        );
        let line = log(&service).pop().expect("a line");
        assert_eq!(line["cache"], "shared", "{line}");
        assert!(line["gen_ai.usage.input_tokens"].is_null(), "it took none");
        assert_eq!(
            service.host().store.borrow().len(),
            if cache == "0" { 1 } else { 2 }
        );
    }
}

#[test]
fn answer_whose_reader_leaves_is_written_for_the_next() {
    let service = held(with_chat(&[]));
    let body = request("POST", "/query", &asked(json!({ "stream": true })));
    let mut got = [Got::default(), Got::default()];
    let [a, b] = &mut got;
    let mut first = Box::pin(service.handle(&body, a));
    let mut second = Box::pin(service.handle(&body, b));
    assert_eq!((drive(&mut first), drive(&mut second)), (None, None));
    drop(first);
    service.host().is_held.set(false);
    say(&service, SAID);
    assert_eq!(drive(&mut second), Some(()));
    drop(second);
    assert_eq!(sent(&service), 2);
    assert_eq!(got[1].data().last().expect("an end")["outcome"], "answered");
    // One that fails is not handed on.
    service.host().is_held.set(true);
    service.host().store.borrow_mut().clear();
    let mut got = [Got::default(), Got::default()];
    let [a, b] = &mut got;
    let mut first = Box::pin(service.handle(&body, a));
    let mut second = Box::pin(service.handle(&body, b));
    assert_eq!((drive(&mut first), drive(&mut second)), (None, None));
    service.host().is_held.set(false);
    let refused = Scripted::Answers(400, vec!["{}".into()]);
    service.host().script.borrow_mut().push_back(refused);
    say(&service, SAID);
    assert_eq!(
        (drive(&mut first), drive(&mut second)),
        (Some(()), Some(()))
    );
    drop((first, second));
    let outcome = |got: &Got| got.data().last().expect("an end")["outcome"].clone();
    assert_ne!(outcome(&got[0]), "answered");
    assert_eq!(outcome(&got[1]), "answered");
}
