//! The model's thread: rows of waiting requests → the model's outputs.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::Instant,
};

use super::{job::Job, pace::Pace, refusal::Refusal, turns::Turns};
use crate::{batch::FeatureSet, device::failure, fine_tuned::Error, tasks::output::Output};

/// The model's outputs for rows, in order.
pub type Outputs = Result<Vec<Output>, Error>;

/// Runs `compute` on the rows of all jobs from the line, batching those of one head together, until
/// the other end of the line is gone. `compute` receives the head's index in the model's list.
///
/// # Errors
/// If the device is lost: no later request could be answered.
pub fn work(
    jobs: &mpsc::Receiver<Job>,
    mut pace: Pace,
    compute: impl Fn(usize, &FeatureSet<'_>) -> Outputs,
) -> Result<(), Error> {
    let mut turns = Turns::default();
    loop {
        if turns.is_empty() {
            match jobs.recv() {
                Ok(job) => turns.join(job),
                Err(_) => return Ok(()),
            }
        }
        jobs.try_iter().for_each(|job| turns.join(job));
        turns.drop_left();
        let (going, tokens) = turns.go(pace.tokens());
        if going.is_empty() {
            continue;
        }
        let began = Instant::now();
        let (back, lost) = go(going, &compute);
        back.into_iter().for_each(|job| turns.come_back(job));
        if let Some(lost) = lost {
            return Err(lost);
        }
        pace.hear(tokens, began.elapsed());
    }
}

/// Computes the rows in flight. Requests that fail are told and not returned; if the device is
/// lost, its error comes with the requests computed before that.
fn go(
    going: Vec<Job>,
    compute: &impl Fn(usize, &FeatureSet<'_>) -> Outputs,
) -> (Vec<Job>, Option<Error>) {
    let mut by_head: BTreeMap<usize, Vec<Job>> = BTreeMap::new();
    for job in going {
        by_head.entry(job.head()).or_default().push(job);
    }
    let mut back = Vec::new();
    while let Some((head, going)) = by_head.pop_first() {
        match of_one_head(head, going, compute) {
            Ok(going) => back.extend(going),
            Err(lost) => {
                let refusal = failed(&lost);
                let others = by_head.into_values().flatten();
                others.for_each(|job| job.refuse(refusal.clone()));
                return (back, Some(lost));
            }
        }
    }
    (back, None)
}

/// Does the same for requests that one head answers.
fn of_one_head(
    head: usize,
    mut going: Vec<Job>,
    compute: &impl Fn(usize, &FeatureSet<'_>) -> Outputs,
) -> Result<Vec<Job>, Error> {
    let rows: Vec<usize> = going.iter().map(Job::under_way).collect();
    let set = FeatureSet::of_rows([going.iter().flat_map(Job::rows)]);
    let (refusal, lost) = match caught(|| compute(head, &set)) {
        Ok(outputs) if outputs.len() == set.len() => {
            let mut outputs = outputs.into_iter();
            for (job, rows) in going.iter_mut().zip(rows) {
                job.take(outputs.by_ref().take(rows));
            }
            return Ok(going);
        }
        Ok(_) | Err(None) => (Refusal::defect(), None),
        Err(Some(error)) => {
            let refusal = failed(&error);
            (refusal, error.is_device_lost().then_some(error))
        }
    };
    for job in going {
        job.refuse(refusal.clone());
    }
    lost.map_or(Ok(Vec::new()), Err)
}

/// Runs `compute`; a panic of the device becomes its error, and any other panic, a defect, becomes
/// `None`.
fn caught(compute: impl FnOnce() -> Outputs) -> Result<Vec<Output>, Option<Error>> {
    match catch_unwind(AssertUnwindSafe(|| failure::caught(compute))) {
        Ok(Ok(computed)) => computed.map_err(Some),
        Ok(Err(device)) => Err(Some(Error::Device(device))),
        Err(_) => Err(None),
    }
}

/// Returns what a client is told about an error that is not the client's.
pub fn failed(error: &Error) -> Refusal {
    log::error!("{error}");
    Refusal {
        message: error.to_string(),
        ..Refusal::defect()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use axum::http::StatusCode;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        device::DeviceError,
        serve::job::{
            Outcome,
            example::{TOKENS, job, job_of},
        },
        tasks::predict,
    };

    const PLACES: usize = 1000;

    /// Outputs each window's id, which is also its tokens.
    fn see(windows: &FeatureSet<'_>) -> Vec<Output> {
        let ids = (0..windows.len()).map(|feature| {
            let (_, window) = windows.get(feature).unwrap();
            Output::Logits(vec![window.input_ids[0] as f32])
        });
        ids.collect()
    }

    /// Returns the id that [`see`] put out.
    fn id(output: &Output) -> f32 {
        match output {
            Output::Logits(id) => id[0],
            Output::Span(window) => panic!("{window:?}"),
        }
    }

    /// Returns the numbers of the questions and of their windows.
    fn numbers(windows: &FeatureSet<'_>) -> Vec<(u64, u64)> {
        let ids = see(windows);
        let ids = ids.iter().map(|output| id(output) as u64);
        let mut numbers: Vec<_> = ids.map(|id| (id / 1000, id % 1000)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns how many windows were computed, each in its place, or why none will be.
    fn told(number: u64, mut outcome: Outcome) -> Result<usize, Refusal> {
        let computed = outcome
            .try_recv()
            .unwrap_or_else(|_| Err(Refusal::defect()))?;
        for (window, output) in computed.outputs.iter().enumerate() {
            assert_eq!(id(output), (1000 * number + window as u64) as f32);
        }
        assert_eq!(computed.outputs.len(), computed.asked.row_count());
        Ok(computed.outputs.len())
    }

    /// What each question was told, and how the work ended.
    type Worked = (Vec<Result<usize, Refusal>>, Result<(), Error>);

    /// Puts questions of these many windows into the line and runs `compute` on them, three windows
    /// at a time.
    fn worked(windows: &[usize], compute: impl Fn(&FeatureSet<'_>) -> Outputs) -> Worked {
        let places = Arc::new(Semaphore::new(PLACES));
        let (line, jobs) = mpsc::channel();
        let mut outcomes = Vec::new();
        for (number, &windows) in (0..).zip(windows) {
            let (job, outcome) = job(&places, number, windows);
            line.send(job).unwrap();
            outcomes.push((number, outcome));
        }
        drop(line);
        let pace = Pace::new(3 * TOKENS, 3 * TOKENS);
        let ended = work(&jobs, pace, |_, windows| compute(windows));
        drop(jobs);
        let told = outcomes
            .into_iter()
            .map(|(number, outcome)| told(number, outcome))
            .collect();
        assert_eq!(places.available_permits(), PLACES, "places given back");
        (told, ended)
    }

    #[test]
    fn questions_take_turns_a_window_each() {
        let goes = RefCell::new(Vec::new());
        let (told, ended) = worked(&[5, 1, 0, 2], |windows| {
            goes.borrow_mut().push(numbers(windows));
            Ok(see(windows))
        });
        ended.unwrap();
        assert_eq!(told, [Ok(5), Ok(1), Ok(0), Ok(2)]);
        let expected = [
            vec![(0, 0), (1, 0), (3, 0)],
            vec![(0, 1), (0, 2), (3, 1)],
            vec![(0, 3), (0, 4)],
        ];
        assert_eq!(goes.into_inner(), expected);
    }

    #[test]
    fn each_head_sees_the_rows_of_its_own_requests_together() {
        let places = Arc::new(Semaphore::new(PLACES));
        let requests = [(0, 1), (1, 2), (0, 1), (1, 1)];
        let (line, jobs) = mpsc::channel();
        let outcomes: Vec<Outcome> = (0..)
            .zip(requests)
            .map(|(number, (head, windows))| {
                let (job, outcome) = job_of(&places, head, number, windows);
                line.send(job).unwrap();
                outcome
            })
            .collect();
        drop(line);
        let goes = RefCell::new(Vec::new());
        let pace = Pace::new(5 * TOKENS, 5 * TOKENS);
        let ended = work(&jobs, pace, |head, rows| {
            goes.borrow_mut().push((head, numbers(rows)));
            match head {
                0 => Ok(see(rows)),
                _ => panic!("wgpu error: Device lost"),
            }
        });
        assert!(ended.unwrap_err().is_device_lost());
        let expected = [(0, vec![(0, 0), (2, 0)]), (1, vec![(1, 0), (1, 1), (3, 0)])];
        assert_eq!(goes.into_inner(), expected);
        let told: Vec<_> = (0..)
            .zip(outcomes)
            .map(|(number, outcome)| told(number, outcome).map_err(|refusal| refusal.status))
            .collect();
        let failed = Err(StatusCode::INTERNAL_SERVER_ERROR);
        // What was computed before the loss is answered.
        assert_eq!(told, [Ok(1), failed, Ok(1), failed]);
    }

    /// Works on long questions one window at a time, while `meanwhile` receives how many windows
    /// have been computed and may ask more, until there are `end`. Returns the windows in the order
    /// in which they were computed.
    fn beside(
        long: &[usize],
        end: usize,
        meanwhile: impl Fn(usize, &mut Vec<Outcome>) -> Option<Job>,
    ) -> Vec<(u64, u64)> {
        let places = Arc::new(Semaphore::new(PLACES));
        let (line, jobs) = mpsc::channel();
        let outcomes = RefCell::new(Vec::new());
        for (number, &windows) in (0..).zip(long) {
            let (job, outcome) = job(&places, number, windows);
            line.send(job).unwrap();
            outcomes.borrow_mut().push(outcome);
        }
        let line = RefCell::new(Some(line));
        let seen = RefCell::new(Vec::new());
        let worked = work(&jobs, Pace::new(1, 1), |_, windows| {
            seen.borrow_mut().extend(numbers(windows));
            let count = seen.borrow().len();
            let more = meanwhile(count, &mut outcomes.borrow_mut());
            let mut line = line.borrow_mut();
            if let (Some(job), Some(open)) = (more, &*line) {
                open.send(job).unwrap();
            }
            if count == end {
                *line = None;
            }
            Ok(see(windows))
        });
        worked.unwrap();
        seen.into_inner()
    }

    #[test]
    fn a_short_question_goes_before_what_is_left_of_long_ones() {
        let places = Arc::new(Semaphore::new(PLACES));
        let seen = beside(&[50; 4], 100, |count, outcomes| {
            (count == 40).then(|| {
                let (short, outcome) = job(&places, 9, 1);
                outcomes.push(outcome);
                short
            })
        });
        assert_eq!(seen.len(), 201);
        let place = seen.iter().position(|&window| window == (9, 0)).unwrap();
        // At most one window of the others comes between.
        assert!((40..=41).contains(&place), "{place}");
        // The long ones progress side by side.
        let first: Vec<u64> = seen[..40].iter().map(|&(number, _)| number).collect();
        for number in 0..4 {
            let share = first.iter().filter(|&&one| one == number).count();
            assert!((9..=11).contains(&share), "{first:?}");
        }
    }

    #[test]
    fn new_questions_without_end_do_not_stop_a_long_one() {
        let places = Arc::new(Semaphore::new(PLACES));
        // A new one arrives for each computed window: the model never gets to the end of them.
        let seen = beside(&[20], 100, |_, outcomes| {
            let (short, outcome) = job(&places, 9, 1);
            outcomes.push(outcome);
            Some(short)
        });
        let last = seen.iter().position(|&window| window == (0, 19)).unwrap();
        // Its first row as a new question, then every fourth of the others.
        assert_eq!(last, 4 * 19 - 1);
    }

    #[test]
    fn a_question_whose_client_has_gone_is_given_up_in_the_middle() {
        let seen = beside(&[500, 3], 10, |count, outcomes| {
            if count == 10 {
                drop(outcomes.remove(0));
            }
            None
        });
        let long = seen.iter().filter(|&&(number, _)| number == 0).count();
        assert_eq!((seen.len(), long), (10, 7));
    }

    #[test]
    fn a_defect_fails_its_questions_and_no_others() {
        let (told, ended) = worked(&[3, 3, 3, 1], |windows| {
            if numbers(windows).contains(&(3, 0)) {
                panic!("a defect, made for this test");
            }
            Ok(see(windows))
        });
        ended.unwrap();
        // The first batch has the others' first windows; the second has the fourth question.
        let failed = told.iter().filter(|told| **told == Err(Refusal::defect()));
        assert_eq!(
            failed.count(),
            told.iter().filter(|told| told.is_err()).count()
        );
        assert_eq!(told[3], Err(Refusal::defect()));
        assert!(told.contains(&Ok(3)), "{told:?}");
        // Missing outputs are a defect too.
        let (told, ended) = worked(&[1], |_| Ok(Vec::new()));
        ended.unwrap();
        assert_eq!(told, [Err(Refusal::defect())]);
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
        let refused = |told: &Result<usize, Refusal>| told.clone().unwrap_err();
        assert!(told.iter().all(|told| refused(told).status == 500));
        assert!(refused(&told[0]).message.contains("Device lost"));

        let lost = "StorageAccess(Read(\"The device is poisoned\"))";
        let read = || Error::Predict(predict::Error::Read(DeviceError::new(lost)));
        // The last three are still in the line.
        let (told, ended) = worked(&[1; 6], |_| Err(read()));
        assert!(ended.is_err());
        assert!(told.iter().all(|told| refused(told).status == 500));
    }

    #[test]
    fn a_device_that_fails_once_may_answer_the_next() {
        let (told, ended) = worked(&[1, 1, 1, 2], |windows| match numbers(windows)[0] {
            (0, _) => Err(Error::Predict(predict::Error::Read(DeviceError::new(
                "no memory",
            )))),
            _ => Ok(see(windows)),
        });
        ended.unwrap();
        assert!(told[0].as_ref().unwrap_err().message.contains("no memory"));
        assert_eq!(told[3], Ok(2));
    }
}
