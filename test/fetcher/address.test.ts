import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../src/fetcher/address.ts';

// IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), the last address of a block where it has one.
const NOT_PUBLIC = [
  '0.0.0.0',
  '0.255.255.255',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.168.255.255',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.7',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1', // IPv4-compatible, RFC 4291 2.5.5.1
  '::8.8.8.8',
  '::ffff:127.0.0.1',
  '::ffff:10.1.2.3',
  '::ffff:a9fe:a9fe',
  '64:ff9b::127.0.0.1',
  '64:ff9b::a00:1',
  '64:ff9b:1::808:808',
  '100::1',
  '2001::1', // Teredo
  '2001:2::1',
  '2001:db8::1',
  '2002:7f00:1::', // 6to4 of 127.0.0.1
  '2002:a00:1::1',
  '2002:c0a8:101::',
  '3fff::1',
  '4000::1', // not handed out
  'fc00::1',
  'fdff::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
];

// The edges outside of those blocks, and servers that are there.
const PUBLIC = [
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '223.255.255.255',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1',
  '2606:4700:4700::1111',
  '2a00:1450:4001:81b::200e',
];

describe('isPublicAddress', () => {
  it.each(NOT_PUBLIC)('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
  it.each(PUBLIC)('%s is', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each(['', 'example.com', '1.2.3', '999.1.1.1', '[::1]'])('%j is no address', (address) =>
    expect(isPublicAddress(address)).toBe(false),
  );
});
