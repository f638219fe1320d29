//! The `coracle` command.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;

use clap::CommandFactory;
use coracle::answer::Question;
use coracle::filter::Filter;
use coracle::search::Group;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle_cli::answering;
use coracle_cli::answering::Answering;
use coracle_cli::cli::AskArgs;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::cli::GroupChoice;
use coracle_cli::cli::IndexArgs;
use coracle_cli::cli::ModeChoice;
use coracle_cli::cli::SearchArgs;
use coracle_cli::cli::ServeArgs;
use coracle_cli::command;
use coracle_cli::command::ask::Form;
use coracle_cli::config;
use coracle_cli::config::ConfigError;
use coracle_cli::deploy;
use coracle_cli::error::ExitCode;
use coracle_cli::error::Failure;
use coracle_cli::report::Reporter;
use coracle_cli::server;
use coracle_cli::transport;

/// Builds allocate a lot of small strings on all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli = match config::parse(&args, Path::new(".")) {
        Ok(cli) => cli,
        // Help and usage errors: clap knows where they go and which code they end with.
        Err(ConfigError::Usage(error)) => error.exit(),
        Err(error) => return fail(&error.into(), false),
    };
    match run(&cli) {
        Ok(code) => code.into(),
        Err(failure) if failure.is_broken_pipe() => ExitCode::Done.into(),
        Err(failure) => fail(&failure, cli.global.json),
    }
}

fn fail(failure: &Failure, json: bool) -> std::process::ExitCode {
    let message = if json {
        failure.to_json()
    } else {
        format!("coracle: {failure}")
    };
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{message}");
    failure.exit_code().into()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::io("write", Path::new("standard output")))
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let reporter = Reporter::new(cli.global.verbosity());
    let json = cli.global.json;
    match &cli.command {
        Command::Build(args) => {
            let summary = command::build::build(args, &reporter)?;
            if json {
                print(&format!("{}\n", summary.to_json()))?;
            } else if !cli.global.quiet {
                print(&summary.to_string())?;
            }
            Ok(ExitCode::Done)
        }
        Command::Search(args) => {
            let found = command::search::search(
                &args.index,
                args.public_key.as_ref(),
                &args.query,
                &search_options(args)?,
            )?;
            if json {
                print(&format!(
                    "{}\n",
                    command::search::to_json(&args.query, &found)
                ))?;
            } else {
                let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                let style = command::search::Style::new(colour);
                print(&command::search::to_text(&found, style))?;
            }
            Ok(if found.hits.is_empty() {
                ExitCode::NothingFound
            } else {
                ExitCode::Done
            })
        }
        Command::Ask(args) => ask(args, json, cli.global.quiet, &reporter),
        Command::Chat(args) => {
            let filter = filter(args.answer.filter.as_deref())?;
            let config = answering::config(&args.answer.models)?;
            let form = Form {
                is_json: json,
                is_quiet: cli.global.quiet,
            };
            transport::run(async {
                let keys = args.answer.public_key.as_ref();
                let answering = Answering::open(&args.index, keys, config).await?;
                command::ask::chat(&answering, filter, form).await
            })
        }
        Command::Serve(args) if args.api => {
            server::serve(args, |address| {
                print(&format!(
                    "http://{address}/ answers from {}; stop with Ctrl-C\n",
                    args.place
                ))
            })?;
            Ok(ExitCode::Done)
        }
        Command::Serve(args) => serve(args),
        Command::Deploy(args) => {
            let done = transport::run(deploy::deploy(args, &reporter))?;
            if json {
                print(&format!("{}\n", serde_json::json!(done)))?;
            } else if !cli.global.quiet {
                let verb = if args.dry_run {
                    "would be sent"
                } else {
                    "sent"
                };
                print(&format!(
                    "{}: {} files of {} bytes {verb}, {} were there\n",
                    args.to, done.sent, done.bytes, done.there
                ))?;
            }
            Ok(ExitCode::Done)
        }
        Command::Inspect(args) => {
            let IndexArgs { index, public_key } = &args.index;
            if let Some(path) = &args.map {
                command::map::write(index, public_key.as_ref(), path, &reporter)?;
                return Ok(ExitCode::Done);
            }
            let root = command::inspect::root(index, public_key.as_ref())?;
            if json {
                print(&format!("{}\n", command::inspect::to_json(&root)))?;
            } else {
                print(&command::inspect::to_text(&root))?;
            }
            Ok(ExitCode::Done)
        }
        Command::Verify(args) => {
            let done = command::verify::verify(&args.index, args.public_key.as_ref(), &reporter)?;
            if json {
                let done = serde_json::json!({
                    "blocks": done.blocks, "postings": done.postings, "records": done.records,
                });
                print(&format!("{done}\n"))?;
            } else if !cli.global.quiet {
                print(&format!(
                    "{}: whole; {} blocks, {} postings, {} records\n",
                    args.index, done.blocks, done.postings, done.records
                ))?;
            }
            Ok(ExitCode::Done)
        }
        Command::Eval(args) if args.answers => {
            let judged = command::eval::answers(args, &reporter)?;
            if json {
                print(&format!("{}\n", serde_json::json!(judged)))?;
            } else {
                print(&judged.to_string())?;
            }
            Ok(ExitCode::Done)
        }
        Command::Eval(args) => {
            let report = command::eval::eval(args, &reporter)?;
            if json {
                print(&format!("{}\n", serde_json::json!(report)))?;
            } else {
                print(&command::eval::to_text(&report))?;
            }
            Ok(ExitCode::Done)
        }
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "coracle", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::Done)
        }
    }
}

/// The condition that `--filter` sets.
fn filter(text: Option<&str>) -> Result<Option<Filter>, Failure> {
    let parsed = text.map(Filter::parse).transpose();
    parsed.map_err(|error| Failure::Usage {
        flag: "--filter",
        problem: error.to_string(),
    })
}

fn ask(
    args: &AskArgs,
    is_json: bool,
    is_quiet: bool,
    reporter: &Reporter,
) -> Result<ExitCode, Failure> {
    let filter = filter(args.answer.filter.as_deref())?;
    let config = answering::config(&args.answer.models)?;
    transport::run(async {
        let answering =
            Answering::open(&args.index, args.answer.public_key.as_ref(), config).await?;
        if let Some(path) = &args.batch {
            let stage = reporter.stage("answer", 0);
            let (out, filter) = (args.write.as_deref(), filter.as_ref());
            return command::batch::batch(&answering, path, out, filter, &stage).await;
        }
        let question = Question {
            text: args.question.clone().unwrap_or_default(),
            filter,
            ..Question::default()
        };
        let form = Form { is_json, is_quiet };
        command::ask::ask(&answering, &question, form).await
    })
}

fn search_options(args: &SearchArgs) -> Result<SearchOptions, Failure> {
    Ok(SearchOptions {
        mode: match args.mode {
            ModeChoice::Hybrid => Mode::Hybrid,
            ModeChoice::Keyword => Mode::Keyword,
            ModeChoice::Vector => Mode::Vector,
        },
        limit: args.limit as usize,
        filter: filter(args.filter.as_deref())?,
        facets: args.facet.clone(),
        fusion: args.fusion.choice()?,
        explain: args.explain,
        exact: args.exact,
        diversity: args.diversity,
        group: match args.group {
            GroupChoice::Document => Group::Document,
            GroupChoice::Chunk => Group::Chunk,
        },
        sections: args.sections as usize,
        ..SearchOptions::default()
    })
}

fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let serving = command::serve::Serving::bind(Path::new(&args.place), address)?;
    let url = format!("http://{}/", serving.address());
    print(&format!("{url} serves {}; stop with Ctrl-C\n", args.place))?;
    if args.open {
        let opener = if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        };
        std::process::Command::new(opener)
            .arg(&url)
            .spawn()
            .map_err(Failure::io("run", Path::new(opener)))?;
    }
    serving.run();
    Ok(ExitCode::Done)
}
