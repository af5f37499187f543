use proptest::prelude::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

use super::*;

const PROFILES: [Profile; 3] = [Profile::Aes128CmSha1_80, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm];

fn master(profile: Profile) -> MasterKey {
    let key: Vec<u8> = (0..profile.key_len()).map(|i| u8::try_from(i * 7 + 3).expect("small")).collect();
    let salt: Vec<u8> = (0..profile.salt_len()).map(|i| u8::try_from(i * 5 + 1).expect("small")).collect();
    MasterKey::new(profile, &key, &salt).expect("lengths fit")
}

/// The independent implementation, with the same key.
fn oracle(profile: Profile) -> Context {
    let master = master(profile);
    let theirs = match profile {
        Profile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let provider = AwsLcRsProvider::new();
    Context::new(&master.key, &master.salt, theirs, None, None, provider.crypto()).expect("context")
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(12_345_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, 0x51, 0, 1, 0]);
    packet.extend(payload);
    packet
}

const HEADER_LEN: usize = 20;

fn protect(protect: &mut Protect, packet: &[u8]) -> Vec<u8> {
    let mut sealed = packet.to_vec();
    sealed.resize(packet.len() + protect.profile().rtp_overhead(), 0);
    protect.rtp(&mut sealed, HEADER_LEN).expect("protected");
    sealed
}

fn unprotect(unprotect: &mut Unprotect, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = sealed.to_vec();
    let len = unprotect.rtp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

/// Sender report with an SDES chunk's worth of octets after it.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..20).map(|i| i * 3));
    packet
}

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
    };
    let master = MasterKey::new(
        Profile::Aes128CmSha1_80,
        &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &hex("0EC675AD498AFEEBB6960B3AABE6"),
    )
    .expect("lengths fit");
    let derived = |label, length| kdf::derive(&master, label, length).to_vec();
    assert_eq!(derived(kdf::Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derived(kdf::Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(derived(kdf::Label::RtpAuthentication, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

#[test]
fn what_we_protect_another_implementation_opens_and_the_other_way_round() {
    for profile in PROFILES {
        let mut ours = Protect::new(profile, &master(profile));
        let mut open = Unprotect::new(profile, &master(profile));
        let (mut theirs_open, mut theirs_seal) = (oracle(profile), oracle(profile));
        // Over the roll-over of the sequence number.
        for sequence in (65_500..=65_535).chain(0..40) {
            let plain = rtp(0xdead_beef, sequence, &[7; 100]);
            let sealed = protect(&mut ours, &plain);
            assert_eq!(theirs_open.decrypt_rtp(&sealed).expect("theirs opens ours").as_ref(), plain, "{profile:?}");
            let sealed = theirs_seal.encrypt_rtp(&plain).expect("theirs seals");
            assert_eq!(unprotect(&mut open, &sealed), Ok(plain), "{profile:?} {sequence}");
        }
        for _ in 0..3 {
            let plain = rtcp(0xdead_beef);
            let mut sealed = plain.clone();
            sealed.resize(plain.len() + profile.rtcp_overhead(), 0);
            ours.rtcp(&mut sealed).expect("protected");
            assert_eq!(theirs_open.decrypt_rtcp(&sealed).expect("theirs opens ours").as_ref(), plain, "{profile:?}");
            let mut sealed = theirs_seal.encrypt_rtcp(&plain).expect("theirs seals").to_vec();
            let len = open.rtcp(&mut sealed).expect("opened");
            assert_eq!(sealed[..len], plain, "{profile:?}");
        }
    }
}

#[test]
fn a_changed_bit_is_refused_and_makes_no_state() {
    for profile in PROFILES {
        let sealed = protect(&mut Protect::new(profile, &master(profile)), &rtp(1, 1, &[9; 50]));
        let mut open = Unprotect::new(profile, &master(profile));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect(&mut open, &changed).is_err(), "{profile:?} bit {bit}");
        }
        assert_eq!(open.stream_count(), 0);
        assert!(unprotect(&mut open, &sealed).is_ok());
        assert_eq!(unprotect(&mut open, &sealed), Err(SrtpError::Replay));
    }
}

#[test]
fn an_rtcp_packet_is_taken_once() {
    for profile in PROFILES {
        let mut sealed = rtcp(5);
        sealed.resize(sealed.len() + profile.rtcp_overhead(), 0);
        Protect::new(profile, &master(profile)).rtcp(&mut sealed).expect("protected");
        let mut open = Unprotect::new(profile, &master(profile));
        assert!(open.rtcp(&mut sealed.clone()).is_ok());
        assert_eq!(open.rtcp(&mut sealed.clone()), Err(SrtpError::Replay));
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert!(open.rtcp(&mut sealed).is_err());
    }
}

#[test]
fn the_number_of_streams_is_bounded() {
    let profile = Profile::AeadAes128Gcm;
    let mut ours = Protect::new(profile, &master(profile));
    let mut open = Unprotect::new(profile, &master(profile));
    let streams = u32::try_from(session::STREAMS_MAX).expect("small");
    let mut foreign = Protect::new(profile, &master(profile));
    for ssrc in 0..streams {
        let sealed = protect(&mut ours, &rtp(ssrc, 1, &[1]));
        assert!(unprotect(&mut open, &sealed).is_ok());
    }
    let mut one_more = rtp(streams, 1, &[1]);
    one_more.resize(one_more.len() + 16, 0);
    assert_eq!(ours.rtp(&mut one_more, HEADER_LEN), Err(SrtpError::TooManyStreams));
    let sealed = protect(&mut foreign, &rtp(streams, 1, &[1]));
    assert_eq!(unprotect(&mut open, &sealed), Err(SrtpError::TooManyStreams));
    let sealed = protect(&mut ours, &rtp(0, 2, &[1]));
    assert!(unprotect(&mut open, &sealed).is_ok(), "known streams go on");
}

proptest! {
    #[test]
    fn reordered_packets_within_the_window_are_each_taken_once(
        start in any::<u16>(),
        order in Just((0_u16..120).collect::<Vec<_>>()).prop_shuffle(),
        profile in prop::sample::select(&PROFILES[..]),
    ) {
        let mut ours = Protect::new(profile, &master(profile));
        // The receiver knows the stream before the reordering begins.
        let first = protect(&mut ours, &rtp(1, start, &[1, 2, 3]));
        let sealed: Vec<_> = order.iter().map(|_| ()).zip(1_u16..)
            .map(|((), n)| protect(&mut ours, &rtp(1, start.wrapping_add(n), &[1, 2, 3])))
            .collect();
        let mut open = Unprotect::new(profile, &master(profile));
        prop_assert!(unprotect(&mut open, &first).is_ok());
        for at in &order {
            prop_assert!(unprotect(&mut open, &sealed[usize::from(*at)]).is_ok());
        }
        for packet in &sealed {
            prop_assert_eq!(unprotect(&mut open, packet), Err(SrtpError::Replay));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for profile in PROFILES {
            let mut open = Unprotect::new(profile, &master(profile));
            let mut copy = bytes.clone();
            let _ = open.rtp(&mut copy);
            let _ = open.rtcp(&mut copy);
            let _ = Protect::new(profile, &master(profile)).rtcp(&mut bytes);
        }
    }
}

#[test]
fn no_index_is_used_for_two_packets() {
    for profile in PROFILES {
        let mut ours = Protect::new(profile, &master(profile));
        protect(&mut ours, &rtp(1, 500, &[1]));
        let room = vec![0; profile.rtp_overhead()];
        let again =
            |ours: &mut Protect, sequence| ours.rtp(&mut [rtp(1, sequence, &[2]), room.clone()].concat(), HEADER_LEN);
        assert_eq!(again(&mut ours, 500), Err(SrtpError::SentAlready));
        assert_eq!(again(&mut ours, 499), Ok(()), "late is not twice");
        protect(&mut ours, &rtp(1, 700, &[1]));
        assert_eq!(again(&mut ours, 501), Err(SrtpError::SentAlready), "too late to know");
    }
}
