//! Builds a file of examples from a corpus on all cores. The file is the same whatever their number.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    assembler::Assembler,
    corpus::{Corpus, modified},
    error::Error,
    example_builder::{Draws, SHORTEST, SeededDraws},
    partial::{Partial, Position},
    pipeline::run,
    replay::Recorded,
    settings::{Settings, check_mask},
    token_block::TokenBlock,
    token_file::{CorpusFacts, Header, LONGEST, TokenFile},
    token_writer::TokenWriter,
};
use crate::{
    counted::grouped,
    data,
    durable_file::{folder_of, is_packed, rename, sync_folder},
    stop::Stop,
    text::{tokenizer::Tokenizer, word_cache::WordCache},
};

/// What to build.
#[derive(Debug)]
pub struct Request<'a> {
    pub corpus: &'a Path,
    pub output: &'a Path,
    pub tokenizer: &'a Tokenizer,
    /// The vocabulary's path, for error messages.
    pub vocab_file: &'a Path,
    pub max_seq_length: usize,
    pub blanks_separate_docs: bool,
    pub seed: u64,
    /// Recorded draws, which replace the seed.
    pub replay: Option<&'a Path>,
    /// How often progress is saved.
    pub save_every: Duration,
}

/// Progress.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Bytes of the corpus files as stored, compressed or not.
    pub bytes: u64,
    pub total_bytes: u64,
    pub examples: u64,
    pub tokens: u64,
}

/// The result.
#[derive(Debug)]
pub struct Made {
    pub header: Header,
    /// Whether the file existed already.
    pub was_there: bool,
}

/// Builds the file, or resumes an interrupted build.
///
/// # Errors
/// If the corpus, the vocabulary or a setting is unusable, if the output exists but was made from other
/// input, if it cannot be written, or if the user stops the build.
pub fn build(
    request: &Request<'_>,
    stop: &Stop,
    watch: &mut dyn FnMut(Place),
) -> Result<Made, Error> {
    let _held = stop.hold();
    let length = request.max_seq_length;
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(Error::Data(data::Error::Option {
            name: "--max-seq-length",
            expected: "a number of tokens from 5 to 65535",
            found: length.to_string(),
        }));
    }
    if is_packed(request.output) {
        return Err(Error::Data(data::Error::Option {
            name: "--output",
            expected: "a name without .gz, since examples are read at any place of the file and it is \
                       therefore not packed",
            found: request.output.display().to_string(),
        }));
    }
    let tokenizer = request.tokenizer;
    check_mask(tokenizer.vocab(), &request.vocab_file.display().to_string())?;
    let mut settings = Settings::new(
        tokenizer,
        length,
        request.blanks_separate_docs,
        request.seed,
    );
    let mut corpus = Corpus::find(request.corpus)?;
    refuse_in(
        request.corpus,
        request.output,
        "choose an --output elsewhere",
    )?;
    refuse_in(request.corpus, request.vocab_file, "move it elsewhere")?;
    let Some(replay) = request.replay else {
        corpus.shuffle(request.seed);
        let draws = SeededDraws::new(request.seed);
        return Work {
            request,
            settings,
            corpus,
            stop,
        }
        .run(draws, true, watch);
    };
    let mut recorded = Recorded::read(replay)?;
    recorded.check(&settings)?;
    corpus.take(recorded.files_in_order())?;
    settings.seed = 0;
    settings.replay = Some(recorded.sha256().to_owned());
    Work {
        request,
        settings,
        corpus,
        stop,
    }
    .run(&mut recorded, false, watch)
}

struct Work<'a> {
    request: &'a Request<'a>,
    settings: Settings,
    corpus: Corpus,
    stop: &'a Stop,
}

impl Work<'_> {
    fn run<D: Draws + Send>(
        &self,
        draws: D,
        goes_on: bool,
        watch: &mut dyn FnMut(Place),
    ) -> Result<Made, Error> {
        let output = self.request.output;
        if let Some(header) = self.existing()? {
            // A process that ends between its last two actions leaves this folder. Other folders of this name
            // stay: they do no harm.
            if Partial::beside(output).is_dir()
                && let Ok(partial) = Partial::take(output)
            {
                partial.remove();
            }
            return Ok(Made {
                header,
                was_there: true,
            });
        }
        let partial = Partial::take(output)?;
        let position = match goes_on {
            true => partial.position(&self.settings, &self.corpus)?,
            false => None,
        };
        let folder = partial.folder().to_owned();
        let failed = |source| failed(&folder, source);
        let wide = Header::id_bytes_of(&self.settings.vocabulary);
        let written = position.map(|position| position.written);
        let writer = TokenWriter::open(&folder, wide, written.unwrap_or_default());
        let writer = writer.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::OtherRun {
                folder: folder.clone(),
                differing: "more ids than its files hold".to_owned(),
            },
            _ => failed(source),
        })?;
        let mut assembler = Assembler::new(&self.settings, draws, writer, position);
        let ended = self.assemble(&mut assembler, &partial, goes_on, watch);
        if let Err(error) = ended {
            match error {
                Error::Io { .. } => {}
                _ if goes_on => self.save(&mut assembler, &partial)?,
                _ => partial.remove(),
            }
            return Err(error);
        }
        if let Err(error) = assembler.draws.finish() {
            partial.remove();
            return Err(error);
        }
        let written = assembler.writer.written();
        if written.examples == 0 {
            partial.remove();
            let files = self.corpus.files.len();
            return Err(Error::Corpus {
                path: self.corpus.folder.clone(),
                found: format!("no token in {}", grouped(files, "file")),
                advice: "put text there that the vocabulary is made for",
            });
        }
        let counts = *assembler.counts();
        let header = |index_crc32c| Header {
            examples: written.examples,
            ids: written.ids,
            id_bytes: wide,
            ids_crc32c: written.ids_crc32c,
            index_crc32c,
            settings: self.settings.clone(),
            corpus: CorpusFacts {
                files: self.corpus.files.len() as u64,
                bytes: self.corpus.bytes(),
                sha256: self.corpus.sha256(),
            },
            counts,
        };
        let (made, header) = assembler.writer.finish(header).map_err(failed)?;
        rename(&made, output).map_err(failed)?;
        sync_folder(folder_of(output)).map_err(failed)?;
        partial.remove();
        Ok(Made {
            header,
            was_there: false,
        })
    }

    fn assemble<D: Draws + Send>(
        &self,
        assembler: &mut Assembler<D>,
        partial: &Partial,
        goes_on: bool,
        watch: &mut dyn FnMut(Place),
    ) -> Result<(), Error> {
        let Position { file, lines, .. } = assembler.safe;
        let total_bytes = self.corpus.bytes();
        let length = self.settings.max_seq_length;
        let mut saved = Instant::now();
        let caches = Mutex::<Vec<WordCache>>::default();
        run(
            &self.corpus,
            (file, lines),
            |block| {
                // There are as many caches as blocks being tokenised at once.
                let taken = caches.lock().ok().and_then(|mut caches| caches.pop());
                let mut cache = taken.unwrap_or_default();
                let tokens = TokenBlock::of(block, self.request.tokenizer, &mut cache, length);
                if let Ok(mut caches) = caches.lock() {
                    caches.push(cache);
                }
                tokens
            },
            assembler,
            |assembler, block| {
                let taken = assembler.take(&block);
                taken.map_err(|source| failed(partial.folder(), source))
            },
            &mut |assembler, bytes| {
                let examples = assembler.writer.written().examples;
                watch(Place {
                    bytes,
                    total_bytes,
                    examples,
                    tokens: assembler.counts().tokens,
                });
                if self.stop.is_asked() {
                    let examples = grouped(examples as usize, "example");
                    let folder = partial.folder().display();
                    let place = format!("{examples} in {folder}");
                    return Err(Error::Stopped { place });
                }
                if goes_on && saved.elapsed() >= self.request.save_every {
                    self.save(assembler, partial)?;
                    saved = Instant::now();
                }
                Ok(())
            },
        )
    }

    fn save<D: Draws>(&self, assembler: &mut Assembler<D>, partial: &Partial) -> Result<(), Error> {
        let saved = assembler.writer.sync().and_then(|()| {
            let (begin, safe) = (assembler.file_begin, assembler.safe);
            partial.save(&self.settings, &self.corpus, begin, safe)
        });
        saved.map_err(|source| failed(partial.folder(), source))
    }

    /// The header of the output, if the file exists and was built from the same input.
    fn existing(&self) -> Result<Option<Header>, Error> {
        let output = self.request.output;
        let exists = |found: String| Error::Exists {
            output: output.to_owned(),
            found,
        };
        let Ok(found) = fs::symlink_metadata(output) else {
            return Ok(None);
        };
        if !found.is_file() || !TokenFile::is_one(output) {
            return Err(exists(
                "already exists, and is not a file of examples".to_owned(),
            ));
        }
        let header = TokenFile::open(output)?.header().clone();
        let made = modified(&found);
        let newer = || self.corpus.files.iter().find(|file| file.modified > made);
        let differing = header
            .settings
            .difference(&self.settings)
            .or_else(|| {
                (header.corpus.sha256 != self.corpus.sha256())
                    .then(|| "files of other names or sizes".to_owned())
            })
            .or_else(|| newer().map(|file| format!("an older {}", file.name)));
        match differing {
            Some(differing) => Err(exists(format!("already exists, made with {differing}"))),
            None => Ok(Some(header)),
        }
    }
}

fn failed(folder: &Path, source: io::Error) -> Error {
    Error::Io {
        path: folder.to_owned(),
        action: "writing",
        source,
        advice: "free space or check the permissions, and repeat the command: it resumes",
    }
}

/// Refuses a file inside the corpus folder, where it would be read as text.
pub(super) fn refuse_in(corpus: &Path, file: &Path, advice: &'static str) -> Result<(), Error> {
    let whole = |path: &Path| -> PathBuf { fs::canonicalize(path).unwrap_or_else(|_| path.into()) };
    // The nearest ancestor that exists.
    let above = folder_of(file).ancestors().find(|folder| folder.is_dir());
    let inside = above.is_some_and(|folder| whole(folder).starts_with(whole(corpus)));
    match inside {
        true => Err(Error::InCorpus {
            file: file.to_owned(),
            corpus: corpus.to_owned(),
            advice,
        }),
        false => Ok(()),
    }
}
