//! Reading an index through sources that count, stumble and lie, and through every layout.

#[path = "../support/mod.rs"]
mod support;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use coracle::index::ROOT_FILE;
use coracle::search::Engine;
use coracle::search::Fusion;
use coracle::search::Mode;
use coracle::search::SearchError;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::Bundle;
use coracle::store::Memory;
use coracle::store::ReadStats;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use coracle::store::StoreError;
use coracle_cli::command::serve::Serving;
use coracle_cli::publish::Destination;
use coracle_cli::source::Location;
use coracle_cli::vectors::AccessChoice;
use support::RANGE;

fn index() -> Memory {
    support::memory(&support::documents(30, 3), RANGE)
}

/// A read: file, range, bytes that came.
type Seen = (String, Option<Range<u64>>, u64);

/// Remembers every read.
struct Counting<'a> {
    index: &'a Memory,
    reads: RefCell<Vec<Seen>>,
}

impl<'a> Counting<'a> {
    fn new(index: &'a Memory) -> Self {
        Self {
            index,
            reads: RefCell::default(),
        }
    }

    fn requests(&self) -> u32 {
        self.reads.borrow().len() as u32
    }

    fn bytes(&self) -> u64 {
        self.reads.borrow().iter().map(|&(_, _, bytes)| bytes).sum()
    }
}

impl Source for Counting<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let bytes = self.index.read(file, range.clone()).await?;
        let len = bytes.len() as u64;
        self.reads.borrow_mut().push((file.into(), range, len));
        Ok(bytes)
    }
}

/// What goes wrong with a read.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Short,
    Empty,
    Long,
    WrongBytes,
    NotFound,
    Status,
}

const FAULTS: [Fault; 6] = [
    Fault::Short,
    Fault::Empty,
    Fault::Long,
    Fault::WrongBytes,
    Fault::NotFound,
    Fault::Status,
];

/// Lets the reads from `first` to before `end` go wrong.
struct Faulty<'a> {
    index: &'a Memory,
    fault: Fault,
    faulty: Range<u32>,
    reads: Cell<u32>,
}

impl<'a> Faulty<'a> {
    fn new(index: &'a Memory, fault: Fault, faulty: Range<u32>) -> Self {
        let reads = Cell::new(0);
        Self {
            index,
            fault,
            faulty,
            reads,
        }
    }
}

impl Source for Faulty<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let number = self.reads.replace(self.reads.get() + 1);
        let mut bytes = self.index.read(file, range.clone()).await?;
        if !self.faulty.contains(&number) {
            return Ok(bytes);
        }
        let problem = match self.fault {
            Fault::Short => {
                bytes.pop();
                return Ok(bytes);
            }
            Fault::Empty => return Ok(Vec::new()),
            Fault::Long => {
                bytes.push(0);
                return Ok(bytes);
            }
            Fault::WrongBytes => {
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                return Ok(bytes);
            }
            Fault::NotFound => SourceProblem::NotFound,
            Fault::Status => SourceProblem::Status(503),
        };
        Err(SourceError::new(file, range, problem))
    }
}

#[test]
fn statistics_are_what_the_source_saw() {
    let index = index();
    for (query, options) in support::queries() {
        let engine = support::open(Counting::new(&index)).expect("opened");
        let result = support::search(&engine, query, &options).expect("found");
        let (stats, source) = (engine.store().stats(), engine.store().source());
        assert_eq!(stats.requests, source.requests());
        assert_eq!(stats.bytes, source.bytes());
        assert_eq!(stats.requests, 1 + result.stats.requests);
        // Read by range, the root excepted, and never the same bytes twice.
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (file, range, _) in source.reads.borrow().iter() {
            match range {
                None => assert_eq!(file, ROOT_FILE),
                Some(range) => ranges.push(range.clone()),
            }
        }
        ranges.sort_by_key(|range| range.start);
        for pair in ranges.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            assert!(a != b, "{a:?} was read twice");
        }
    }
}

#[test]
fn cold_search_takes_the_documented_waves_and_a_warm_one_none() {
    let index = index();
    let keyword = SearchOptions {
        mode: Mode::Keyword,
        ..SearchOptions::default()
    };
    let hybrid = SearchOptions::default();
    // Terms, long lists, records; rows before records; spellings and their terms after the terms.
    for (query, options, waves) in [
        ("harbour pilot", &keyword, 3),
        ("harbour pilot", &hybrid, 4),
        ("harbor pilott", &hybrid, 5),
    ] {
        let engine = support::open(Counting::new(&index)).expect("opened");
        let cold = support::search(&engine, query, options).expect("found");
        assert!(
            (1..=waves).contains(&cold.stats.waves),
            "{query}: {:?}",
            cold.stats
        );
        let requests = engine.store().source().requests();
        let warm = support::search(&engine, query, options).expect("found");
        assert_eq!(engine.store().source().requests(), requests, "{query}");
        let ReadStats {
            waves,
            requests,
            bytes,
            cached,
            sections: _,
        } = warm.stats;
        assert_eq!((waves, requests, bytes), (0, 0, 0), "{query}");
        assert!(cached > 0, "{query}");
        assert_eq!(support::found(warm), support::found(cold), "{query}");
    }
}

#[test]
fn completions_of_a_word_count_without_a_wave_of_their_own() {
    let mut documents = support::documents(300, 3);
    for chunk in documents
        .iter_mut()
        .flat_map(|document| &mut document.chunks)
        .step_by(2)
    {
        chunk.text += " Harbourside.";
    }
    let index = support::memory_with(&documents, RANGE, AccessChoice::Cells);
    let cold = |prefix, exact| {
        let engine = support::open(Counting::new(&index)).expect("opened");
        let options = SearchOptions {
            prefix,
            exact,
            explain: true,
            limit: 20,
            ..SearchOptions::default()
        };
        support::search(&engine, "river harbour", &options).expect("found")
    };
    let by_words = |result: &SearchResult| -> BTreeMap<u32, u32> {
        let hits = result.hits.iter();
        let keyword = hits.map(|hit| (hit.chunk, hit.explain.as_ref().and_then(|how| how.keyword)));
        keyword
            .map(|(chunk, keyword)| (chunk, keyword.map_or(0, |(score, _)| score)))
            .collect()
    };
    let (plain, prefix, exact) = (cold(false, false), cold(true, false), cold(true, true));
    assert_eq!(plain.stats.waves, prefix.stats.waves);
    // The list of completions is long, and all that was found is looked up in it.
    let (plain, prefix, exact) = (by_words(&plain), by_words(&prefix), by_words(&exact));
    let both = prefix.iter().filter(|(chunk, _)| exact.contains_key(chunk));
    let mut more = 0;
    for (chunk, score) in both {
        assert_eq!(score, &exact[chunk], "{chunk}");
        more += usize::from(plain.get(chunk).is_some_and(|without| without < score));
    }
    assert!(more > 0);
}

#[test]
fn sections_take_no_wave_of_their_own() {
    let index = support::memory(&support::long_documents(150, 3), RANGE);
    let mut read = 0;
    for mode in [Mode::Keyword, Mode::Hybrid] {
        for query in ["harbour pilot", "river canal", "harbor delta"] {
            let cold = |sections| {
                let engine = support::open(Counting::new(&index)).expect("opened");
                let options = SearchOptions {
                    mode,
                    sections,
                    ..SearchOptions::default()
                };
                support::search(&engine, query, &options).expect("found")
            };
            let (without, with) = (cold(0), cold(3));
            let count = with.hits.iter().map(|hit| hit.sections.len());
            assert!(count.sum::<usize>() > 2, "{mode:?} {query}");
            let (plain, more) = (&without.stats, &with.stats);
            assert_eq!(plain.waves, more.waves, "{mode:?} {query}");
            assert!(plain.bytes <= more.bytes, "{mode:?} {query}");
            read += more.bytes - plain.bytes;
        }
    }
    // Passages that no hit's block holds.
    assert!(read > 0);
}

/// A read takes a turn of the executor, so that searches overlap.
struct Slow<'a>(Counting<'a>);

impl Source for Slow<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let mut waited = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            match std::mem::replace(&mut waited, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        self.0.read(file, range).await
    }
}

#[test]
fn overlapping_searches_read_nothing_twice() {
    let index = index();
    let options = SearchOptions {
        mode: Mode::Keyword,
        ..SearchOptions::default()
    };
    let query = "harbour pilot";
    let alone = support::open(Counting::new(&index)).expect("opened");
    let good = support::found(support::search(&alone, query, &options).expect("found"));

    let engine = support::open(Slow(Counting::new(&index))).expect("opened");
    let search = || engine.search(query, &options);
    let (first, second) = pollster::block_on(futures_util::future::join(search(), search()));
    assert_eq!(support::found(first.expect("found")), good);
    assert_eq!(support::found(second.expect("found")), good);
    assert_eq!(
        engine.store().source().0.requests(),
        alone.store().source().requests()
    );

    // A search that nobody waits for any more leaves nothing behind that others wait for.
    let engine = support::open(Slow(Counting::new(&index))).expect("opened");
    {
        let mut unwanted = pin!(engine.search(query, &options));
        let polled = unwanted
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    let again = support::search(&engine, query, &options).expect("found");
    assert_eq!(support::found(again), good);
}

/// Takes so many reads of a wave and no more.
struct Few<'a>(&'a Memory, usize);

impl Source for Few<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        self.0.read(file, range).await
    }

    fn most_reads(&self) -> usize {
        self.1
    }
}

#[test]
fn few_reads_become_large_and_bring_the_same() {
    let index = support::memory(&support::documents(3000, 3), RANGE);
    let cold = |most| {
        let engine = support::open(Few(&index, most)).expect("an index");
        let options = SearchOptions::default();
        support::search(&engine, "harbour pilot beacon willow", &options).expect("a result")
    };
    let free = cold(usize::MAX);
    for most in [1, 2, 5] {
        let few = cold(most);
        assert_eq!(few.hits, free.hits);
        assert!(
            few.stats.requests <= few.stats.waves * most as u32,
            "{:?}",
            few.stats
        );
        assert_eq!(few.stats.waves, free.stats.waves);
    }
    assert!(
        free.stats.requests > free.stats.waves * 5,
        "{:?}",
        free.stats
    );
}

/// Rather reads more than waits.
struct Eager<'a>(Counting<'a>);

impl Source for Eager<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        self.0.read(file, range).await
    }

    fn reads_ahead(&self) -> bool {
        true
    }
}

#[test]
fn cold_search_in_cells_takes_three_waves_and_one_that_reads_ahead_finds_the_same() {
    let index = support::memory_with(&support::documents(2000, 3), RANGE, AccessChoice::Cells);
    let mut spared = 0;
    let (mut counted, mut missed) = (0, 0);
    let questions = [
        "harbour pilot beacon willow",
        "river canal",
        "harbour willow",
        "beacon pilot river",
        "canal willow pilot",
        "river harbour beacon",
    ];
    let questions = questions.map(|question| (question, SearchOptions::default()));
    for (query, options) in support::queries().into_iter().chain(questions) {
        let few = SearchOptions {
            limit: 1,
            ..options.clone()
        };
        // No guess binds what is ranked by ranks.
        let by_ranks = SearchOptions {
            fusion: Fusion::Rrf { k: 60.0 },
            ..few.clone()
        };
        for options in [options, few, by_ranks] {
            let plain = support::open(Counting::new(&index)).expect("opened");
            let plain = support::search(&plain, query, &options).expect("found");
            let eager = support::open(Eager(Counting::new(&index))).expect("opened");
            let result = support::search(&eager, query, &options).expect("found");
            assert_eq!(
                result.stats.requests + 1,
                eager.store().source().0.requests()
            );
            assert!(result.stats.waves <= plain.stats.waves, "{query}");
            spared += plain.stats.requests - result.stats.requests;
            if options.mode == Mode::Hybrid && !options.exact && result.corrections.is_empty() {
                let binds = options.fusion == Fusion::Auto;
                assert!(!binds || plain.stats.waves <= 3, "{:?}", plain.stats);
                assert!(result.stats.waves <= 3, "{query}: {:?}", result.stats);
                missed += u32::from(plain.stats.waves > 3);
                counted += 1;
            }
            assert_eq!(support::found(result), support::found(plain), "{query}");
        }
    }
    assert!(spared > 0);
    assert!(counted > 3 && missed > 0, "{counted} {missed}");
}

#[test]
fn search_without_room_to_remember_finds_the_same() {
    let index = index();
    let good = support::all_found(&support::open(&index).expect("opened"));
    let engine = pollster::block_on(Engine::open(&index, 0)).expect("opened");
    assert_eq!(support::all_found(&engine), good);
    assert_eq!(support::all_found(&engine), good);
}

#[test]
fn every_fault_at_every_read_is_a_typed_error_and_the_next_search_succeeds() {
    let index = index();
    for (query, options) in support::queries() {
        let counting = support::open(Counting::new(&index)).expect("opened");
        let good = support::search(&counting, query, &options).expect("found");
        let reads = counting.store().source().requests();
        let good = support::found(good);
        for fault in FAULTS {
            let error = support::open(Faulty::new(&index, fault, 0..1)).err();
            assert_fault(fault, error.expect("root must not be believed"), true);
            for read in 1..reads {
                let engine = support::open(Faulty::new(&index, fault, read..read + 1));
                let engine = engine.expect("opened");
                let error = support::search(&engine, query, &options).err();
                assert_fault(fault, error.expect("fault must be noticed"), false);
                let again = support::search(&engine, query, &options).expect("found");
                assert_eq!(support::found(again), good, "{fault:?} at read {read}");
            }
        }
    }
}

fn assert_fault(fault: Fault, error: SearchError, is_root: bool) {
    let SearchError::Store(error) = error else {
        panic!("{fault:?} gave {error:?}")
    };
    match (fault, is_root, &error) {
        (Fault::NotFound, _, StoreError::Source(source)) => {
            assert_eq!(source.problem, SourceProblem::NotFound);
        }
        (Fault::Status, _, StoreError::Source(source)) => {
            assert_eq!(source.problem, SourceProblem::Status(503));
        }
        (
            Fault::Short | Fault::Empty | Fault::Long | Fault::WrongBytes,
            true,
            StoreError::Root(_),
        ) => {}
        (Fault::Short | Fault::Empty | Fault::Long, false, StoreError::Source(source)) => {
            let problem = &source.problem;
            assert!(
                matches!(problem, SourceProblem::WrongLength { expected, got } if expected != got),
                "{problem:?}"
            );
        }
        (Fault::WrongBytes, false, StoreError::Format { file, .. }) => {
            assert!(file.ends_with(".cora"), "{file}");
        }
        _ => panic!("{fault:?} gave {error:?}"),
    }
}

#[test]
fn source_that_stays_broken_never_hangs() {
    let index = index();
    for fault in FAULTS {
        let engine = support::open(Faulty::new(&index, fault, 1..u32::MAX)).expect("opened");
        for (query, options) in support::queries() {
            assert!(support::search(&engine, query, &options).is_err());
        }
        assert!(pollster::block_on(engine.verify()).is_err());
    }
}

#[test]
fn pages_of_places_find_the_same_in_one_wave_more() {
    let documents = support::documents(2000, 3);
    let indexes = [support::memory_with, support::memory_paged]
        .map(|build| build(&documents, RANGE, AccessChoice::Graph));
    let open = || {
        indexes
            .clone()
            .map(|index| support::open(index).expect("opened"))
    };
    let mut more = 0;
    for (query, options) in support::queries() {
        let found = open().map(|engine| support::search(&engine, query, &options).expect("found"));
        let [waves, paged_waves] = [0, 1].map(|at| found[at].stats.waves);
        assert!(paged_waves <= waves + 1, "{query}: {waves}, {paged_waves}");
        more += paged_waves - waves.min(paged_waves);
        let [listed, paged] = found.map(support::found);
        assert_eq!(listed, paged, "{query}");
    }
    assert!(more > 0);
    let [listed, paged] = open();
    pollster::block_on(paged.verify()).expect("whole");
    // Enough for phrases.
    let counts = listed.root().counts;
    assert!(counts.text_bytes > 256 << 10);
    let all: Vec<u32> = (0..counts.chunks).collect();
    let texts =
        [&listed, &paged].map(|engine| pollster::block_on(engine.passages(&all)).expect("read"));
    assert_eq!(texts[0], texts[1]);
    let records = [&listed, &paged]
        .map(|engine| pollster::block_on(engine.documents(0..counts.documents)).expect("read"));
    assert_eq!(records[0], records[1]);
    assert_eq!(
        records[0].len(),
        documents
            .iter()
            .filter(|document| !document.chunks.is_empty())
            .count()
    );
}

#[test]
fn all_layouts_give_identical_hits() {
    let documents = support::documents(30, 3);
    let good = support::all_found(&support::open(&index()).expect("opened"));
    for destination in [
        Destination::Range { part_bytes: 100 },
        Destination::Range { part_bytes: 4096 },
        Destination::Split { part_bytes: 64 },
        Destination::Split { part_bytes: 1000 },
        Destination::Split {
            part_bytes: 1 << 30,
        },
    ] {
        let index = support::memory(&documents, destination);
        let engine = support::open(Counting::new(&index)).expect("opened");
        assert_eq!(support::all_found(&engine), good, "{destination:?}");
        let (stats, source) = (engine.store().stats(), engine.store().source());
        assert_eq!(
            (stats.requests, stats.bytes),
            (source.requests(), source.bytes())
        );
        pollster::block_on(engine.verify()).expect("whole");
        if matches!(destination, Destination::Split { .. }) {
            let reads = source.reads.borrow();
            assert!(reads.iter().all(|(_, range, _)| range.is_none()));
        }
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().join("index.cora");
    support::write(&documents, &out, Destination::Bundle);
    let bundle = Bundle::new(std::fs::read(&out).expect("bundle")).expect("a bundle");
    let engine = support::open(bundle).expect("opened");
    assert_eq!(support::all_found(&engine), good);
    pollster::block_on(engine.verify()).expect("whole");
}

/// The answers of a host that knows no ranges, or no manners.
#[derive(Debug, Clone, Copy)]
enum Host {
    WholeFiles,
    Answers(u16),
    CutsTheBody,
}

/// Serves `index` on the loopback until the test ends; returns its address.
fn host(index: Memory, host: Host) -> String {
    let server = tiny_http::Server::http("127.0.0.1:0").expect("server");
    let address = server.server_addr().to_ip().expect("address");
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let file = request.url().trim_start_matches('/').to_string();
            let Some(bytes) = index.files().get(&file).cloned() else {
                let _ = request.respond(tiny_http::Response::empty(404));
                continue;
            };
            let is_root = file == ROOT_FILE;
            let _ = match host {
                _ if is_root => request.respond(tiny_http::Response::from_data(bytes)),
                Host::WholeFiles => request.respond(tiny_http::Response::from_data(bytes)),
                Host::Answers(status) => request.respond(tiny_http::Response::empty(status)),
                Host::CutsTheBody => {
                    let short = bytes[..1].to_vec();
                    request.respond(tiny_http::Response::from_data(short).with_status_code(206))
                }
            };
        }
    });
    format!("http://{address}/")
}

#[test]
fn host_that_ignores_ranges_still_gives_the_same_hits() {
    let index = index();
    let good = support::all_found(&support::open(&index).expect("opened"));
    let address = host(index, Host::WholeFiles);
    let engine = support::open(Location::open(&address).expect("address")).expect("opened");
    assert_eq!(support::all_found(&engine), good);
}

#[test]
fn rude_hosts_are_named() {
    for (rude, expected) in [
        (Host::Answers(500), SourceProblem::Status(500)),
        (Host::Answers(416), SourceProblem::Status(416)),
        (Host::Answers(404), SourceProblem::NotFound),
        (Host::Answers(403), SourceProblem::Denied),
    ] {
        let address = host(index(), rude);
        let engine = support::open(Location::open(&address).expect("address")).expect("opened");
        let error = support::search(&engine, "harbour", &SearchOptions::default());
        match error {
            Err(SearchError::Store(StoreError::Source(error))) => {
                assert_eq!(error.problem, expected, "{rude:?}");
            }
            other => panic!("{rude:?} gave {other:?}"),
        }
    }
    let address = host(index(), Host::CutsTheBody);
    let engine = support::open(Location::open(&address).expect("address")).expect("opened");
    let error = support::search(&engine, "harbour", &SearchOptions::default());
    let error = error.expect_err("one byte is not enough");
    assert_fault(Fault::Short, error, false);
}

#[test]
fn own_server_gives_the_same_hits_by_range() {
    let folder = tempfile::tempdir().expect("temporary folder");
    support::write(&support::documents(30, 3), folder.path(), RANGE);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let serving = Serving::bind(folder.path(), address).expect("server");
    let place = format!("http://{}", serving.address());
    std::thread::spawn(move || serving.run());
    let over_http = support::open(Location::open(&place).expect("address")).expect("opened");
    let path = folder.path().to_str().expect("path");
    let in_folder = support::open(Location::open(path).expect("folder")).expect("opened");
    assert_eq!(
        support::all_found(&over_http),
        support::all_found(&in_folder)
    );
    let stats = |engine: &Engine<Location>| engine.store().stats();
    assert_eq!(stats(&over_http), stats(&in_folder));
}
