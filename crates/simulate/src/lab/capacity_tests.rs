use super::*;

const FIXED: [u32; 8] = [8, 16, 32, 64, 96, 128, 192, 1000];

fn adaptive() -> Law {
    Law::Adaptive(SloAimdSettings::default())
}

#[test]
#[ignore = "prints a table"]
fn table() {
    for situation in Situation::ALL {
        let mut line = format!("{situation:?}: ");
        for limit in FIXED {
            line += &format!("{limit}:{:.1} ", 100.0 * judge(situation, Law::Fixed(limit), 1).good_part());
        }
        for seed in 1..4 {
            let v = judge(situation, adaptive(), seed);
            line += &format!(
                " | {:.1} p50 {:.2} p99 {:.2} last {}",
                100.0 * v.good_part(),
                v.first_token(0.5),
                v.first_token(0.99),
                v.limits.last().unwrap()
            );
        }
        println!("{line}");
    }
}
