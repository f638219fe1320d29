//! Settings come from the flag, the environment, the file, in this order; mistakes are named.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command as Process;

use coracle_cli::cli::BuildArgs;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::cli::EmbedderChoice;
use coracle_cli::config;
use coracle_cli::config::ConfigError;
use coracle_cli::vectors::AccessChoice;
use coracle_cli::vectors::Target;
use coracle_cli::vectors::VectorOptions;
use tempfile::TempDir;

fn folder(toml: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::write(folder.path().join(config::FILE_NAME), toml).expect("written");
    folder
}

fn parse(args: &str, folder: &Path) -> Result<Cli, ConfigError> {
    let args: Vec<OsString> = std::iter::once("coracle")
        .chain(args.split_whitespace())
        .map(OsString::from)
        .collect();
    config::parse(&args, folder)
}

fn build(args: &str, folder: &Path) -> BuildArgs {
    match parse(args, folder).expect("parses").command {
        Command::Build(build) => *build,
        other => panic!("not a build: {other:?}"),
    }
}

#[test]
fn file_gives_defaults_and_flags_win() {
    let folder = folder(
        "quiet = true\n[build]\ninputs = ['docs', 'notes']\nout = 'public'\nchunk-tokens = 0x80\n\
         exclude = ['*.tmp', 'old/**']\nembedder = 'none'\nmax-cold-bytes = '300kB'\nstrict = true\n\
         vectors = 'cells'\ntarget = 'size'\nrecall = 0.98\n\
         [search]\nalpha = 0.25\n",
    );
    let from_file = build("build", folder.path());
    assert_eq!(
        from_file.inputs,
        [PathBuf::from("docs"), PathBuf::from("notes")]
    );
    assert_eq!(from_file.out, PathBuf::from("public"));
    assert_eq!(from_file.chunk_tokens, 128);
    assert_eq!(from_file.exclude, ["*.tmp", "old/**"]);
    assert_eq!(from_file.embedder, EmbedderChoice::None);
    assert_eq!(from_file.max_cold_bytes, Some(300_000));
    assert!(from_file.strict);
    let options = VectorOptions {
        access: AccessChoice::Cells,
        target: Target::Size,
        recall: 0.98,
    };
    assert_eq!(from_file.vector_options(), options);
    let over = build("build --recall 0.5 --vectors auto", folder.path());
    let over = over.vector_options();
    assert_eq!((over.access, over.recall), (AccessChoice::Auto, 0.5));
    assert_eq!(over.target, Target::Size);
    let over = build(
        "build other --out x --chunk-tokens 99 --exclude y",
        folder.path(),
    );
    assert_eq!(over.inputs, [PathBuf::from("other")]);
    assert_eq!((over.out, over.chunk_tokens), (PathBuf::from("x"), 99));
    assert_eq!(over.exclude, ["y"]);
    let cli = parse("search i q", folder.path()).expect("parses");
    assert!(cli.global.quiet);
    let Command::Search(search) = cli.command else {
        panic!("not a search")
    };
    assert_eq!(search.fusion.alpha, Some(0.25));
}

#[test]
fn without_a_file_the_defaults_of_the_grammar_hold() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let build = build("build docs -o out", folder.path());
    assert_eq!((build.chunk_tokens, build.chunk_overlap), (200, 0));
    assert_eq!(build.base_url, "/");
    assert_eq!(build.vector_options(), VectorOptions::default());
    let usage = parse("build docs", folder.path());
    assert!(matches!(usage, Err(ConfigError::Usage(_))), "{usage:?}");
}

#[test]
fn named_file_replaces_the_usual_one() {
    let folder = folder("[build]\nchunk-tokens = 100\n");
    let other = folder.path().join("other.toml");
    fs::write(&other, "[build]\nchunk-tokens = 150\n").expect("written");
    let args = format!("build docs --out o --config {}", other.display());
    assert_eq!(build(&args, folder.path()).chunk_tokens, 150);
    let missing = parse("build docs --out o --config nowhere.toml", folder.path());
    assert!(
        matches!(missing, Err(ConfigError::Read { path, .. }) if path.ends_with("nowhere.toml"))
    );
}

#[test]
fn mistakes_in_the_file_name_line_key_and_way_out() {
    let table = [
        (
            "\n[build]\nchunk-tokns = 3\n",
            "coracle.toml:3: there is no setting \"build.chunk-tokns\"; did you mean \"build.chunk-tokens\"?",
        ),
        (
            "[build]\nchunk_tokens = 3\n",
            "did you mean \"build.chunk-tokens\"?",
        ),
        (
            "chunk-tokens = 3\n",
            "coracle.toml:1: there is no setting \"chunk-tokens\"; did you mean \"build.chunk-tokens\"?",
        ),
        (
            "[biuld]\nout = 'x'\n",
            "coracle.toml:1: there is no setting \"biuld\"",
        ),
        ("[search]\nindex = 'x'\n", "no setting \"search.index\""),
        (
            "[build]\nout = 'x'\nchunk-tokens = 'many'\n",
            "coracle.toml:3: build.chunk-tokens: invalid value 'many'",
        ),
        (
            "[build]\nembedder = 'magic'\n",
            "coracle.toml:2: build.embedder: invalid value 'magic'",
        ),
        (
            "[build]\nrecall = 1\n",
            "coracle.toml:2: build.recall: invalid value '1' for '--recall <SHARE>': expected a \
             share from 0.5 to 0.995",
        ),
        (
            "[build]\nout = ['a', 'b']\n",
            "coracle.toml:2: build.out: expected a single value",
        ),
        (
            "[build]\nexclude = [['a']]\n",
            "expected a value or a list of values",
        ),
        ("a = 1\nb = = 2\n", "coracle.toml:2: "),
    ];
    for (toml, message) in table {
        let folder = folder(toml);
        let error = parse("build docs --out o", folder.path());
        // A good value on the command line hides a bad one in the file only for that flag.
        let error = error
            .err()
            .or_else(|| parse("build docs", folder.path()).err());
        let shown = error.expect("an error").to_string();
        assert!(shown.contains(message), "{toml:?} gave {shown:?}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_not_blamed_on_the_file() {
    let folder = folder("[build]\nchunk-tokens = 100\n");
    let error = parse("build docs --out o --embedder magic", folder.path());
    assert!(matches!(error, Err(ConfigError::Usage(_))), "{error:?}");
}

/// The environment is shared by all threads of a process, so this test starts itself anew.
#[test]
fn environment_stands_between_flag_and_file() {
    let key = "CORACLE_CHUNK_TOKENS";
    if std::env::var_os(key).is_none() {
        let status = Process::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "environment_stands_between_flag_and_file"])
            .env(key, "77")
            .status()
            .expect("started");
        assert!(status.success());
        return;
    }
    let folder = folder("[build]\nchunk-tokens = 100\n");
    assert_eq!(build("build docs --out o", folder.path()).chunk_tokens, 77);
    assert_eq!(
        build("build docs --out o --chunk-tokens 5", folder.path()).chunk_tokens,
        5
    );
}
