//! Questions of many requests → batches of one model.
//!
//! A request takes a place, of which there are only so many, and puts its question into the line.
//! One thread owns the model's time: it takes all that wait, up to a number of windows, answers
//! them in one go and sends each answer back. A question whose client has gone is left out.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::refusal::Refusal;
use crate::{
    device::failure,
    eval::nbest::QuestionPrediction,
    fine_tuned::{Error, Featurized},
};

/// What the model says of several questions: of each alone, or why the device said nothing.
pub type Answered = Result<Vec<Result<Vec<QuestionPrediction>, Error>>, Error>;

/// Where a question's answer arrives.
type Answer = oneshot::Receiver<Result<QuestionPrediction, Refusal>>;

/// A place among the questions under way; given back when it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// A question on its way to the model.
pub struct Job {
    asked: Featurized,
    reply: oneshot::Sender<Result<QuestionPrediction, Refusal>>,
    place: Place,
}

/// The way to the model.
pub struct Queue {
    capacity: usize,
    places: Arc<Semaphore>,
    line: mpsc::Sender<Job>,
}

impl Queue {
    /// A line for so many questions, and its other end, which is [`work`]'s.
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<Job>) {
        let (line, jobs) = mpsc::channel();
        let capacity = capacity.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(capacity));
        let queue = Queue {
            capacity,
            places,
            line,
        };
        (queue, jobs)
    }

    /// A place, unless all are taken.
    pub fn place(&self) -> Option<Place> {
        let place = self.places.clone().try_acquire_owned();
        place.ok().map(Place)
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// Has one question answered.
    pub async fn answer(
        &self,
        place: Place,
        asked: Featurized,
    ) -> Result<QuestionPrediction, Refusal> {
        let answer = self.send(place, asked)?.await;
        answer.unwrap_or_else(|_| Err(Refusal::defect()))
    }

    /// Puts a question into the line.
    fn send(&self, place: Place, asked: Featurized) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            asked,
            reply,
            place,
        };
        let sent = self.line.send(job);
        sent.map(|()| answer).map_err(|_| Refusal::defect())
    }
}

/// Answers what comes through the line until its other end is gone; `windows` bounds what is
/// answered in one go, except that a single question may have more.
///
/// # Errors
/// When the device is lost: no later question could be answered.
pub fn work(
    jobs: &mpsc::Receiver<Job>,
    windows: usize,
    answer: impl Fn(&[Featurized]) -> Answered,
) -> Result<(), Error> {
    let mut held_back = None;
    while let Some(first) = held_back.take().or_else(|| jobs.recv().ok()) {
        let mut batch: Vec<Job> = Vec::new();
        let mut taken = 0;
        for job in std::iter::once(first).chain(jobs.try_iter()) {
            if job.reply.is_closed() {
                continue;
            }
            taken += job.asked.windows();
            if taken > windows && !batch.is_empty() {
                held_back = Some(job);
                break;
            }
            batch.push(job);
        }
        answer_batch(batch, &answer)?;
    }
    Ok(())
}

fn answer_batch(batch: Vec<Job>, answer: &impl Fn(&[Featurized]) -> Answered) -> Result<(), Error> {
    // The places are given back once the answers are sent.
    let (asked, replies): (Vec<Featurized>, Vec<_>) = batch
        .into_iter()
        .map(|job| (job.asked, (job.reply, job.place)))
        .unzip();
    if asked.is_empty() {
        return Ok(());
    }
    let (answers, lost) = match caught(|| answer(&asked)) {
        Ok(answers) => (answers.into_iter().map(first).collect(), None),
        Err(None) => (vec![Err(Refusal::defect()); replies.len()], None),
        Err(Some(error)) => {
            let lost = error.is_device_lost();
            let refused = vec![Err(failed(&error)); replies.len()];
            (refused, lost.then_some(error))
        }
    };
    for ((reply, _place), answer) in replies.into_iter().zip(answers) {
        // A client that has gone needs no answer.
        let _gone = reply.send(answer);
    }
    lost.map_or(Ok(()), Err)
}

/// Runs `answer`; a panic of the device's is its error, and any other, a defect, is `None`.
fn caught(
    answer: impl FnOnce() -> Answered,
) -> Result<Vec<Result<Vec<QuestionPrediction>, Error>>, Option<Error>> {
    match catch_unwind(AssertUnwindSafe(|| failure::caught(answer))) {
        Ok(Ok(answered)) => answered.map_err(Some),
        Ok(Err(device)) => Err(Some(Error::Device(device))),
        Err(_) => Err(None),
    }
}

/// The answer to the one question that a job asks.
fn first(answered: Result<Vec<QuestionPrediction>, Error>) -> Result<QuestionPrediction, Refusal> {
    let answered = answered.map_err(|error| failed(&error))?;
    answered.into_iter().next().ok_or_else(Refusal::defect)
}

/// What a client hears of an error that is not the client's.
fn failed(error: &Error) -> Refusal {
    log::error!("{error}");
    Refusal {
        message: error.to_string(),
        ..Refusal::defect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::{
        data::{
            self,
            example::{Examples, Split},
            feature::{FeatureOptions, featurize},
            tokenizer::Tokenizer,
            vocab::Vocab,
        },
        device::ReadError,
        eval::predict,
    };

    /// A question whose passage has this many windows of two words.
    fn asked(windows: usize) -> Featurized {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\noak", "v").unwrap();
        let options = FeatureOptions {
            max_seq_length: 6,
            doc_stride: 2,
            max_query_length: 1,
            split: Split::Dev,
        };
        let examples = Examples::of_one("oak", &"oak ".repeat(2 * windows));
        let features = featurize(&examples, &Tokenizer::new(vocab, true), &options).unwrap();
        assert_eq!(features.len(), windows);
        Featurized::new(examples, features)
    }

    fn prediction(text: &str) -> QuestionPrediction {
        QuestionPrediction {
            qas_id: String::new(),
            nbest: Vec::new(),
            text: text.to_owned(),
            place: None,
            null_odds: None,
        }
    }

    type Told = Vec<Result<String, Refusal>>;

    /// Puts questions of so many windows into the line, lets `answer` work on them three windows
    /// at a time, and returns what each was told and how the work ended.
    fn worked(
        windows: &[usize],
        answer: impl Fn(&[Featurized]) -> Answered,
    ) -> (Told, Result<(), Error>) {
        let (queue, jobs) = Queue::new(windows.len());
        let ask = |&windows: &usize| queue.send(queue.place().unwrap(), asked(windows)).unwrap();
        let answers: Vec<_> = windows.iter().map(ask).collect();
        assert!(queue.place().is_none(), "every place is taken");
        assert_eq!(queue.taken(), windows.len());
        let places = queue.places.clone();
        drop(queue);
        let ended = work(&jobs, 3, answer);
        drop(jobs);
        assert_eq!(
            places.available_permits(),
            windows.len(),
            "places given back"
        );
        let told = answers.into_iter().map(|mut answer| {
            let answer = answer.try_recv().unwrap_or_else(|_| Err(Refusal::defect()));
            answer.map(|prediction| prediction.text)
        });
        (told.collect(), ended)
    }

    #[test]
    fn as_many_windows_as_fit_are_answered_in_one_go() {
        let goes = RefCell::new(Vec::new());
        let (told, ended) = worked(&[1, 2, 1, 5, 1], |asked| {
            let windows: Vec<usize> = asked.iter().map(Featurized::windows).collect();
            let texts = windows.iter().map(|windows| format!("of {windows}"));
            let answers = texts.map(|text| Ok(vec![prediction(&text)])).collect();
            goes.borrow_mut().push(windows);
            Ok(answers)
        });
        ended.unwrap();
        assert_eq!(
            told,
            ["of 1", "of 2", "of 1", "of 5", "of 1"].map(|t| Ok(t.to_owned()))
        );
        // The third would be a fourth window; the fourth has more than fit, and goes alone.
        assert_eq!(goes.into_inner(), [vec![1, 2], vec![1], vec![5], vec![1]]);
    }

    #[test]
    fn a_question_whose_client_has_gone_is_left_out() {
        let (queue, jobs) = Queue::new(2);
        drop(queue.send(queue.place().unwrap(), asked(1)).unwrap());
        let mut kept = queue.send(queue.place().unwrap(), asked(2)).unwrap();
        drop(queue);
        let answer = |asked: &[Featurized]| {
            assert_eq!(asked.len(), 1);
            Ok(vec![Ok(vec![prediction("kept")])])
        };
        work(&jobs, 3, answer).unwrap();
        assert_eq!(kept.try_recv().unwrap().unwrap().text, "kept");
    }

    #[test]
    fn an_error_of_one_question_is_told_to_it_alone() {
        let (told, ended) = worked(&[1, 1], |_| {
            let error = data::Error::NoSuchFeature { index: 7, count: 1 };
            Ok(vec![Err(error.into()), Ok(vec![prediction("fine")])])
        });
        ended.unwrap();
        let refusal = told[0].clone().unwrap_err();
        assert_eq!(refusal.status.as_u16(), 500);
        assert!(refusal.message.contains("feature 7"), "{refusal:?}");
        assert_eq!(told[1], Ok("fine".to_owned()));
    }

    #[test]
    fn a_defect_fails_its_questions_and_no_others() {
        let (told, ended) = worked(&[3, 1], |asked| match asked[0].windows() {
            3 => panic!("a defect, made for this test"),
            _ => Ok(vec![Ok(vec![prediction("fine")])]),
        });
        ended.unwrap();
        assert_eq!(told, [Err(Refusal::defect()), Ok("fine".to_owned())]);
    }

    #[test]
    fn a_lost_device_ends_the_work_and_all_are_told() {
        let (told, ended) = worked(&[2, 2], |_| panic!("wgpu error: Device lost"));
        let error = ended.unwrap_err();
        assert!(
            error.to_string().contains("the device failed: Device lost"),
            "{error}"
        );
        assert!(error.is_device_lost());
        // The second still stood in the line.
        let statuses = told
            .iter()
            .map(|told| told.as_ref().unwrap_err().status.as_u16());
        assert!(statuses.eq([500, 500]));
        assert!(
            told[0]
                .as_ref()
                .unwrap_err()
                .message
                .contains("Device lost")
        );

        let lost = "StorageAccess(Read(\"The device is poisoned\"))";
        let read = || Error::Predict(predict::Error::Read(ReadError::new(lost)));
        let (_, ended) = worked(&[1], |_| Err(read()));
        assert!(ended.is_err());
    }

    #[test]
    fn a_device_that_fails_once_may_answer_the_next() {
        let (told, ended) = worked(&[3, 1], |asked| match asked[0].windows() {
            3 => Err(Error::Predict(predict::Error::Read(ReadError::new(
                "no memory",
            )))),
            _ => Ok(vec![Ok(vec![prediction("fine")])]),
        });
        ended.unwrap();
        assert!(told[0].as_ref().unwrap_err().message.contains("no memory"));
        assert_eq!(told[1], Ok("fine".to_owned()));
    }
}
