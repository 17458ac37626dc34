//! Who was not asked, and what is no answer to what was asked.

use super::server::{A, CNAME, address, name, record};
use super::*;
use crate::common::{SOON, at};

/// The name is not found until the time is over, whatever is said.
#[track_caller]
fn nobody_believes(mut lie: impl FnMut(&Asked) -> Vec<u8>) {
    assert_eq!(told(|asked| vec![lie(asked)]), Err(LookupError::TimedOut));
}

fn good(asked: &Asked) -> Vec<u8> {
    asked.answer(0, &[address(60, v4(9))])
}

#[test]
fn only_an_answer_to_the_question_is_believed() {
    assert_eq!(told(|asked| vec![good(asked)]), Ok(ip(9)), "this would be one");
    let with = |at: usize, change: u8| {
        move |asked: &Asked| {
            let mut answer = good(asked);
            answer[at] ^= change;
            answer
        }
    };
    // The number; no answer at all; another kind of question; another name; another type; another class.
    for (at, change) in [(0, 1), (1, 1), (2, 0x80), (2, 0x08), (13, 1), (26, 1), (28, 2)] {
        nobody_believes(with(at, change));
    }
    nobody_believes(|asked| asked.bytes.clone());
    nobody_believes(|asked| good(asked)[..12].to_vec());
    nobody_believes(|_| Vec::new());
    // No question, two of them.
    nobody_believes(with(5, 1));
    nobody_believes(with(5, 3));
}

#[test]
fn a_record_of_another_name_or_of_no_host_is_none() {
    for records in [
        vec![record(&name("other.example"), A, 60, &[192, 0, 2, 9])],
        vec![record(&name("host.example"), A, 60, &[192, 0, 2])],
        vec![record(&name("host.example"), A, 60, &[192, 0, 2, 9, 1])],
        vec![address(60, [0, 0, 0, 0])],
        vec![address(60, [127, 0, 0, 1])],
        vec![address(60, [255, 255, 255, 255])],
        vec![address(60, [224, 0, 0, 1])],
        vec![record(&[0xc0, 12], CNAME, 60, &name("elsewhere.example"))],
    ] {
        assert_eq!(told(|asked| vec![asked.answer(0, &records)]), Err(LookupError::NoAddress));
    }
}

#[test]
fn only_who_was_asked_is_heard_and_only_from_its_port() {
    let mut world = World::ethernet();
    world.add(&board(&[2]));
    world.add(&config(2));
    world.add(&config(3));
    let mut server = Server::new(&mut world, 1, 53);
    let elsewhere = [Server::new(&mut world, 1, 54), Server::new(&mut world, 2, 53)];
    let found = world.until(LIMIT, |world| {
        let known = server.asked.len();
        server.serve(world, |_| Vec::new());
        for asked in &server.asked[known..] {
            for other in &elsewhere {
                other.say(world, asked.from, &good(asked));
            }
        }
        match world.stack(0).resolve("host.example", AddrType::Either) {
            Err(nb::Error::WouldBlock) => None,
            result => Some(result),
        }
    });
    assert_eq!(found, Err(nb::Error::Other(LookupError::TimedOut)));
    assert_eq!(server.asked.len(), 4);
    assert_eq!(world.stack(0).counters().not_ours_dropped, 8);
}

#[test]
fn an_answer_that_comes_late_is_heard_if_nobody_else_was_asked_meanwhile() {
    let (mut world, mut server) = pair();
    let found = look_up(&mut world, &mut [&mut server], "host.example", &AddrType::Either, {
        let mut first = None;
        move |asked| match &first {
            None => {
                first = Some(good(asked));
                Vec::new()
            }
            Some(first) => vec![first.clone()],
        }
    });
    assert_eq!(found, Ok(ip(9)));
}

#[test]
fn a_port_is_nobodys_once_its_answer_is_there() {
    let (mut world, mut server) = pair();
    let found = look_up(&mut world, &mut [&mut server], "host.example", &AddrType::IPv4, |asked| {
        vec![good(asked)]
    });
    assert_eq!(found, Ok(ip(9)));
    let asked = server.asked[0].clone();
    let forged = asked.answer(0, &[address(3600, v4(66))]);
    server.say(&mut world, asked.from, &forged);
    world.pass(Duration::from_secs(4));
    assert_eq!(world.stack(0).resolve("host.example", AddrType::IPv4), Ok(ip(9)));
    assert!(world.stack(0).udp_connect(at(2, 53)).is_ok(), "sockets go on");
}

#[test]
fn rubbish_is_no_answer_and_breaks_nothing() {
    let (mut world, mut server) = pair();
    let mut seed = 1_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    let mut found = 0;
    for _ in 0..300 {
        let result =
            look_up(&mut world, &mut [&mut server], "host.example", &AddrType::IPv4, |asked| {
                let mut answers = Vec::new();
                for _ in 0..4 {
                    let mut answer = asked.answer(
                        0,
                        &[
                            record(&[0xc0, 12], CNAME, 60, &[0xc0, random() as u8 % 80]),
                            record(&[0xc0, random() as u8 % 80], A, 60, &[192, 0, 2, 9]),
                        ],
                    );
                    for _ in 0..random() % 4 {
                        let index = random() as usize % answer.len();
                        answer[index] = random() as u8;
                    }
                    answer.truncate(answer.len() - (random() as usize % 8).saturating_sub(5));
                    answers.push(answer);
                }
                answers
            });
        found += usize::from(result.is_ok());
        world.pass(SOON * 70);
    }
    assert!(found > 3, "some of it is nearly right: {found}");
}
