use super::{mix, shape, tokens};
use sluicegate_simulate::lab::{ByClass, Shape, Size};
use std::time::Duration;

#[test]
fn a_shape_is_a_word_an_amount_and_what_differs() {
    assert_eq!(shape("steady:6/s"), Ok(Shape::Steady { rate: 6.0 }));
    assert_eq!(shape("steady:600/min"), Ok(Shape::Steady { rate: 10.0 }));
    let spike = |factor, length, every| Shape::Spike {
        base: 30.0,
        factor,
        length: Duration::from_secs(length),
        every: Duration::from_secs(every),
    };
    assert_eq!(shape("spike:30"), Ok(spike(3.4, 8, 120)));
    assert_eq!(shape("spike:30/s,every=5m, factor=2"), Ok(spike(2.0, 8, 300)));
    assert_eq!(shape("closed:40"), Ok(Shape::Closed { clients: 40, think: Duration::ZERO }));
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out() {
    for (text, hint) in [
        ("", "such as steady:30/s"),
        ("steady", "such as steady:30/s"),
        ("wobbly:3", "there are steady:30/s"),
        ("steady:fast", "write it as 30/s"),
        ("steady:-3/s", "write it as 30/s"),
        ("steady:3/fortnight", "write it as 30/s"),
        ("steady:3/s,factor=2", "has no \"factor\""),
        ("spike:3/s,factor", "name=value"),
        ("spike:3/s,factor=0", "a number from 1"),
        ("spike:3/s,length=3m,every=4m", "at most half"),
        ("spike:3/s,length=soon", "length"),
        ("closed:0", "no number"),
    ] {
        let error = shape(text).unwrap_err();
        assert!(error.contains(hint), "{text}: {error}");
    }
    assert!(mix("high=20,urgent=3").unwrap_err().contains("urgent=3"));
    assert!(mix("high=0").unwrap_err().contains("no class"));
    assert!(tokens("1200").unwrap_err().contains("1200:400"));
}

#[test]
fn mixes_and_tokens_are_read() {
    assert_eq!(mix("high=20,medium=60,low=20"), Ok(ByClass([0.0, 20.0, 60.0, 20.0])));
    assert_eq!(tokens("1200:400"), Ok((Size::Fixed(1200), Size::Fixed(400))));
    let varied = |median, sigma| Size::Lognormal { median, sigma };
    assert_eq!(tokens("~1200:~400"), Ok((varied(1200, 1.0), varied(400, 0.8))));
}
