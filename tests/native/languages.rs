//! Languages: detected, stemmed by rules that the index brings along, compounds, synonyms; from the
//! command to the hits.

use std::fs;
use std::path::Path;

use clap::Parser;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::text::Learned;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::command::build;
use coracle_cli::error::Failure;
use coracle_cli::evaluate;
use coracle_cli::languages::detect;
use coracle_cli::languages::learn;
use coracle_cli::languages::lexicon;
use coracle_cli::languages::stems;
use coracle_cli::languages::vocabulary;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use tempfile::TempDir;

/// A text of the same content in every language that has a stemmer.
const TEXTS: &[(&str, &str)] = &[
    (
        "ar",
        "القوارب الصغيرة مستديرة وخفيفة. كان الصيادون يحملون القارب على ظهورهم من البيت إلى النهر. يبني الناس القوارب من أغصان الصفصاف والجلود، ثم يغطونها بالقطران. في المتاحف قوارب قديمة، والزوار يتعلمون كيف كانت تبنى. يسأل الأطفال كثيرا عن الأنهار والأسماك والصيادين. تكتب المدارس عن تاريخ القوارب والأنهار، ويقرأ الطلاب الكتب في المكتبات.",
    ),
    (
        "cs",
        "Malé čluny jsou kulaté a lehké. Rybáři nosili člun na zádech z domu k řece. Lidé stavějí čluny z vrbových prutů a kůží, které potom natírají dehtem. V muzeích jsou staré čluny a návštěvníci se učí, jak se stavěly. Děti se často ptají na řeky, ryby a rybáře. Školy píší o dějinách člunů a řek a studenti čtou knihy v knihovnách.",
    ),
    (
        "da",
        "Små både er runde og lette. Fiskerne bar båden på ryggen fra huset til floden. Folk bygger bådene af pilegrene og huder, som de bagefter smører med tjære. I museerne findes gamle både, og de besøgende lærer, hvordan de blev bygget. Børnene spørger ofte om floder, fisk og fiskere. Skolerne skriver om bådenes historie, og eleverne læser bøger på bibliotekerne.",
    ),
    (
        "de",
        "Kleine Boote sind rund und leicht. Die Fischer trugen das Boot auf dem Rücken vom Haus zum Fluss. Die Leute bauen Boote aus Weidenruten und Häuten, die sie danach mit Teer bestreichen. In den Museen liegen alte Boote, und die Besucher lernen, wie sie gebaut wurden. Die Kinder fragen oft nach Flüssen, Fischen und Fischern. Die Schulen schreiben über die Geschichte der Boote und Flüsse, und die Schüler lesen Bücher in den Büchereien.",
    ),
    (
        "el",
        "Οι μικρές βάρκες είναι στρογγυλές και ελαφριές. Οι ψαράδες κουβαλούσαν τη βάρκα στην πλάτη από το σπίτι στο ποτάμι. Οι άνθρωποι χτίζουν βάρκες από κλαδιά ιτιάς και δέρματα, που μετά τα αλείφουν με πίσσα. Στα μουσεία υπάρχουν παλιές βάρκες και οι επισκέπτες μαθαίνουν πώς τις έχτιζαν. Τα παιδιά ρωτούν συχνά για τα ποτάμια, τα ψάρια και τους ψαράδες. Τα σχολεία γράφουν για την ιστορία και οι μαθητές διαβάζουν βιβλία στις βιβλιοθήκες.",
    ),
    (
        "es",
        "Los botes pequeños son redondos y ligeros. Los pescadores llevaban el bote a la espalda desde la casa hasta el río. La gente construye los botes con ramas de sauce y pieles, que después cubren de brea. En los museos hay botes antiguos, y los visitantes aprenden cómo se construían. Los niños preguntan mucho por los ríos, los peces y los pescadores. Las escuelas escriben sobre la historia de los botes y los estudiantes leen libros en las bibliotecas.",
    ),
    (
        "fi",
        "Pienet veneet ovat pyöreitä ja kevyitä. Kalastajat kantoivat venettä selässään talosta joelle. Ihmiset rakentavat veneitä pajunoksista ja vuodista, jotka he sitten tervaavat. Museoissa on vanhoja veneitä, ja kävijät oppivat, miten niitä rakennettiin. Lapset kysyvät usein joista, kaloista ja kalastajista. Koulut kirjoittavat veneiden historiasta, ja oppilaat lukevat kirjoja kirjastoissa.",
    ),
    (
        "fr",
        "Les petits bateaux sont ronds et légers. Les pêcheurs portaient le bateau sur le dos de la maison à la rivière. Les gens construisent les bateaux avec des branches de saule et des peaux qu'ils couvrent ensuite de goudron. Dans les musées il y a d'anciens bateaux, et les visiteurs apprennent comment on les construisait. Les enfants demandent souvent l'histoire des rivières, des poissons et des pêcheurs. Les écoles écrivent l'histoire des bateaux et les élèves lisent des livres dans les bibliothèques.",
    ),
    (
        "hu",
        "A kis csónakok kerekek és könnyűek. A halászok a hátukon vitték a csónakot a háztól a folyóhoz. Az emberek fűzfavesszőkből és bőrökből építik a csónakokat, amelyeket azután kátránnyal kennek be. A múzeumokban régi csónakok vannak, és a látogatók megtanulják, hogyan építették őket. A gyerekek gyakran kérdeznek a folyókról, a halakról és a halászokról. Az iskolák a csónakok történetéről írnak, és a diákok könyveket olvasnak a könyvtárakban.",
    ),
    (
        "it",
        "Le piccole barche sono rotonde e leggere. I pescatori portavano la barca sulle spalle dalla casa al fiume. La gente costruisce le barche con rami di salice e pelli, che poi copre di catrame. Nei musei ci sono barche antiche e i visitatori imparano come si costruivano. I bambini chiedono spesso dei fiumi, dei pesci e dei pescatori. Le scuole scrivono della storia delle barche e gli studenti leggono libri nelle biblioteche.",
    ),
    (
        "nl",
        "Kleine boten zijn rond en licht. De vissers droegen de boot op hun rug van het huis naar de rivier. De mensen bouwen boten van wilgentakken en huiden, die ze daarna met teer bestrijken. In de musea liggen oude boten en de bezoekers leren hoe ze werden gebouwd. De kinderen vragen vaak naar rivieren, vissen en vissers. De scholen schrijven over de geschiedenis van de boten en de leerlingen lezen boeken in de bibliotheken.",
    ),
    (
        "no",
        "Små båter er runde og lette. Fiskerne bar båten på ryggen fra huset til elva. Folk bygger båtene av pilegreiner og skinn, som de etterpå smører med tjære. I museene finnes gamle båter, og de besøkende lærer hvordan de ble bygget. Barna spør ofte om elver, fisker og fiskere. Skolene skriver om båtenes historie, og elevene leser bøker på bibliotekene.",
    ),
    (
        "pl",
        "Małe łodzie są okrągłe i lekkie. Rybacy nosili łódź na plecach z domu nad rzekę. Ludzie budują łodzie z wierzbowych gałęzi i skór, które potem pokrywają smołą. W muzeach są stare łodzie, a zwiedzający uczą się, jak je budowano. Dzieci często pytają o rzeki, ryby i rybaków. Szkoły piszą o historii łodzi i rzek, a uczniowie czytają książki w bibliotekach.",
    ),
    (
        "pt",
        "Os pequenos barcos são redondos e leves. Os pescadores levavam o barco às costas da casa até ao rio. As pessoas constroem os barcos com ramos de salgueiro e peles, que depois cobrem com alcatrão. Nos museus há barcos antigos, e os visitantes aprendem como eram construídos. As crianças perguntam muito pelos rios, pelos peixes e pelos pescadores. As escolas escrevem sobre a história dos barcos e os alunos leem livros nas bibliotecas.",
    ),
    (
        "ro",
        "Bărcile mici sunt rotunde și ușoare. Pescarii purtau barca pe spate de la casă până la râu. Oamenii construiesc bărci din ramuri de salcie și piei, pe care apoi le acoperă cu smoală. În muzee se află bărci vechi, iar vizitatorii învață cum erau construite. Copiii întreabă adesea despre râuri, pești și pescari. Școlile scriu despre istoria bărcilor, iar elevii citesc cărți în biblioteci.",
    ),
    (
        "ru",
        "Маленькие лодки круглые и лёгкие. Рыбаки носили лодку на спине от дома к реке. Люди строят лодки из ивовых веток и шкур, которые потом покрывают смолой. В музеях есть старые лодки, и посетители узнают, как их строили. Дети часто спрашивают о реках, рыбах и рыбаках. Школы пишут об истории лодок и рек, а ученики читают книги в библиотеках.",
    ),
    (
        "sv",
        "Små båtar är runda och lätta. Fiskarna bar båten på ryggen från huset till floden. Folk bygger båtarna av videgrenar och hudar, som de sedan stryker med tjära. På museerna finns gamla båtar, och besökarna lär sig hur de byggdes. Barnen frågar ofta om floder, fiskar och fiskare. Skolorna skriver om båtarnas historia, och eleverna läser böcker på biblioteken.",
    ),
    (
        "tr",
        "Küçük kayıklar yuvarlak ve hafiftir. Balıkçılar kayığı evden nehre sırtlarında taşırdı. İnsanlar kayıkları söğüt dallarından ve derilerden yapar, sonra katranla kaplarlar. Müzelerde eski kayıklar vardır ve ziyaretçiler bunların nasıl yapıldığını öğrenir. Çocuklar sık sık nehirleri, balıkları ve balıkçıları sorar. Okullar kayıkların tarihini yazar, öğrenciler kütüphanelerde kitap okur.",
    ),
];

fn document(text: &str) -> Document {
    Document {
        id: String::new(),
        url: String::new(),
        title: String::new(),
        language: String::new(),
        weight: 1.0,
        meta: Default::default(),
        chunks: vec![Chunk {
            headings: Vec::new(),
            anchor: String::new(),
            span: 0..0,
            tokens: 0,
            text: text.into(),
            embedding: None,
        }],
    }
}

#[test]
fn texts_are_recognised_in_every_language_with_a_stemmer() {
    for (code, text) in TEXTS {
        let (codes, of_documents) = detect::languages(&[document(text)]);
        // Two of the written standards differ in little more than spelling.
        let is_close = matches!((*code, codes[0].as_str()), ("no", "da") | ("da", "no"));
        assert!(codes[0] == *code || is_close, "{code}: {codes:?}");
        assert_eq!((codes.len(), of_documents), (1, vec![0]));
    }
}

#[test]
fn rules_learnt_from_a_text_stem_its_words_as_snowball_does() {
    let (mut right, mut all) = (0, 0);
    for &(code, text) in TEXTS {
        let language = Learned {
            code: code.into(),
            apostrophe: lexicon::apostrophe(code),
            prefixes: lexicon::prefixes(code),
            ..Learned::default()
        };
        let document = document(text);
        let words = vocabulary(&language, &[&document]);
        let stemmer = lexicon::stemmer(code).expect("a stemmer");
        let samples = stems(&language, &words, |word| stemmer.stem(word).into_owned());
        let rules = learn::within(learn::RULE_BYTES, &samples);
        assert!(learn::packed_bytes(&rules) <= learn::RULE_BYTES);
        let agree = samples.iter().filter(|sample| {
            let mut word = sample.word.clone();
            rules.apply(&mut word);
            word == sample.stem
        });
        let agree = agree.count();
        let (rules, words) = (rules.len(), samples.len());
        println!("{code}: {agree} of {words} words, {rules} rules");
        assert!(agree * 10 >= words * 9, "{code}: {agree} of {words}");
        right += agree;
        all += words;
    }
    let share = f64::from(right as u32) / f64::from(all as u32);
    println!("{share:.3} of {all} words in {} languages", TEXTS.len());
    assert!(share >= 0.97, "{share:.3}");
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn index(folder: &Path, flags: &[&str]) -> Result<String, Failure> {
    let out = folder.join("index");
    let (docs, out) = (
        folder.to_str().expect("UTF-8"),
        out.to_str().expect("UTF-8"),
    );
    let args = ["coracle", "build", docs, "--out", out, "--embedder", "none"];
    let args = args.iter().chain(flags);
    let Command::Build(args) = Cli::try_parse_from(args).expect("valid").command else {
        unreachable!()
    };
    build::build(&args, &Reporter::new(Verbosity::Quiet))?;
    Ok(out.to_owned())
}

/// Ids of the hits of a query by words, best first.
fn found(place: &str, query: &str) -> Vec<String> {
    let engine = evaluate::open(place).expect("an index");
    let options = SearchOptions {
        mode: Mode::Keyword,
        ..SearchOptions::default()
    };
    let result = pollster::block_on(engine.search(query, &options)).expect("a result");
    result.hits.into_iter().map(|hit| hit.id).collect()
}

#[test]
fn every_language_of_a_mixed_index_is_found_in_other_forms_of_its_words() {
    let files: Vec<(String, &str)> = TEXTS
        .iter()
        .filter(|(code, _)| matches!(*code, "de" | "fr" | "ru" | "fi"))
        .map(|(code, text)| (format!("{code}.md"), *text))
        .chain([("en.md".into(), "Small boats are round and light. Fishermen carried the boat on their backs from the house to the river. People build boats of willow and of hides, which they cover with tar afterwards. Museums keep old boats, and visitors learn how they were built.")])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, *text)).collect();
    let folder = folder(&files);
    let place = index(folder.path(), &[]).expect("builds");
    for (query, id) in [
        ("fishermens house", "en.md"),
        ("Häute bestrichen Teer", "de.md"),
        ("geschriebene Bücherei", "de.md"),
        ("visiteuse de l’école", "fr.md"),
        ("библиотека школа", "ru.md"),
        ("kirjasto talo", "fi.md"),
    ] {
        assert_eq!(
            found(&place, query).first().map(String::as_str),
            Some(id),
            "{query}"
        );
    }
}

#[test]
fn markup_and_fields_name_the_language() {
    let folder = folder(&[
        (
            "a.html",
            "<html lang=de-AT><body><main><h1>Boote</h1><p>Alte Boote.</p></main></body></html>",
        ),
        (
            "b.jsonl",
            "{\"id\": \"b\", \"text\": \"Barche antiche.\", \"lang\": \"it\"}\n",
        ),
        ("c.md", "---\nlanguage: nl\n---\nOude boten.\n"),
    ]);
    let place = index(folder.path(), &[]).expect("builds");
    let engine = evaluate::open(&place).expect("an index");
    let languages = engine.analyzer().languages().iter();
    let mut codes: Vec<&str> = languages.map(|language| language.code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["de", "it", "nl"]);
    let place = index(folder.path(), &["--language", "sv"]).expect("builds");
    let engine = evaluate::open(&place).expect("an index");
    assert_eq!(engine.analyzer().languages()[0].code(), "sv");
}

#[test]
fn compounds_are_found_by_their_parts_after_the_parts_themselves() {
    let text = "Die Verfassung des Landes. Jedes Gericht prüft die Verfassung. Ein Gericht tagt.";
    let folder = folder(&[
        ("parts.md", text),
        (
            "compound.md",
            "Das Verfassungsgericht tagt heute in der Hauptstadt und berät lange.",
        ),
        (
            "other.md",
            "Heute regnet es in der Hauptstadt, und die Leute bleiben lange zu Hause.",
        ),
    ]);
    let place = index(folder.path(), &["--language", "de"]).expect("builds");
    assert_eq!(found(&place, "Gerichte"), ["parts.md", "compound.md"]);
    assert_eq!(found(&place, "Verfassungsgerichts"), ["compound.md"]);
}

#[test]
fn synonyms_find_documents_after_those_with_the_word_itself() {
    let long = format!(
        "{} A car passed by.",
        "The harbour lay in the morning sun. ".repeat(18)
    );
    let folder = folder(&[
        ("car.md", &long),
        (
            "auto.md",
            "---\ntitle: Automobile\n---\nThe automobile. Every automobile is an automobile.",
        ),
        ("script.md", "JavaScript runs in browsers."),
        ("boat.md", "A boat floats."),
        (
            "synonyms.txt",
            "# groups\ncar, automobile, motor vehicle\njs => javascript\n",
        ),
        ("bad.txt", "car, automobile\n\nalone\n"),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let flags = ["--exclude", "*.txt", "--synonyms", &path("synonyms.txt")];
    let place = index(folder.path(), &flags).expect("builds");
    assert_eq!(found(&place, "cars"), ["car.md", "auto.md"]);
    assert_eq!(found(&place, "automobile"), ["auto.md", "car.md"]);
    assert_eq!(found(&place, "js"), ["script.md"]);
    assert_eq!(found(&place, "javascript"), ["script.md"]);
    let error = index(folder.path(), &["--synonyms", &path("bad.txt")]).expect_err("a bad line");
    assert!(
        error
            .to_string()
            .contains("bad.txt:3: a group needs two members"),
        "{error}"
    );
    assert_eq!(error.exit_code() as u8, 3);
    let error = index(folder.path(), &["--synonyms", &path("none.txt")]).expect_err("no file");
    assert_eq!(error.exit_code() as u8, 5);
}
