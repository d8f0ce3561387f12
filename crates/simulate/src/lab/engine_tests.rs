use super::*;

const SMALL: Machine =
    Machine { slots: 4, memory: 1000, chunk: 100, step: 0.01, per_answer: 0.001, per_input_token: 0.0001 };

fn job(id: usize, input: u64, output: u64) -> Job {
    Job { id, input, output, gives_up: f64::INFINITY }
}

/// Runs until nothing is left to do; what happened, with the time.
fn run(engine: &mut Engine) -> Vec<(f64, Happened)> {
    let (mut now, mut all) = (0.0, Vec::new());
    while !engine.is_idle() {
        let mut happened = Vec::new();
        now += engine.step(now, &mut happened);
        all.extend(happened.into_iter().map(|it| (now, it)));
    }
    all
}

#[test]
fn one_call_reads_then_writes() {
    let mut engine = Engine::new(SMALL);
    engine.submit(job(7, 250, 10));
    let happened = run(&mut engine);
    assert_eq!(happened.iter().map(|(_, it)| *it).collect::<Vec<_>>(), [Happened::FirstToken(7), Happened::Done(7)]);
    // Three steps read; the first token comes with the last of them.
    let first = 3.0 * 0.01 + 250.0 * 0.0001;
    assert!((happened[0].0 - first).abs() < 1e-9, "{}", happened[0].0);
    assert!((happened[1].0 - (first + 10.0 * 0.011)).abs() < 1e-9, "{}", happened[1].0);
    assert_eq!(engine.used, 0);
}

#[test]
fn every_call_ends_once_and_memory_comes_back() {
    let mut engine = Engine::new(SMALL);
    for id in 0..50 {
        engine.submit(job(id, 50 + 13 * id as u64 % 400, 1 + 29 * id as u64 % 300));
    }
    let happened = run(&mut engine);
    for id in 0..50 {
        let count = |wanted| happened.iter().filter(|(_, it)| *it == wanted).count();
        assert_eq!((count(Happened::FirstToken(id)), count(Happened::Done(id))), (1, 1), "call {id}");
    }
    assert_eq!((engine.used, engine.under_way), (0, 0));
}

#[test]
fn more_than_fits_in_memory_waits_or_is_read_again() {
    let quick = run(&mut { with(&[(100, 100); 4], 4000) }).last().unwrap().0;
    let slow = run(&mut { with(&[(100, 100); 4], 500) }).last().unwrap().0;
    assert!(slow > 1.2 * quick, "{slow} against {quick}");
}

fn with(jobs: &[(u64, u64)], memory: u64) -> Engine {
    let mut engine = Engine::new(Machine { memory, ..SMALL });
    for (id, &(input, output)) in jobs.iter().enumerate() {
        engine.submit(job(id, input, output));
    }
    engine
}

#[test]
fn who_has_gone_is_not_served() {
    let mut engine = with(&[(100, 1000); 4], 10_000);
    engine.submit(Job { gives_up: 1.0, ..job(9, 10, 10) });
    let happened = run(&mut engine);
    assert!(happened.iter().any(|(_, it)| *it == Happened::GaveUp(9)));
    assert!(!happened.iter().any(|(_, it)| *it == Happened::FirstToken(9)));
}
