import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../src/fetcher/address.ts';
import { parseCommandLine } from './command-line.ts';
import {
  kustomizationSchema,
  scaledObjectSchema,
  triggerAuthenticationSchema,
} from './kubernetes-schemas.ts';
import {
  bytesOf,
  DEPLOY,
  deployed,
  deployedFiles,
  kubernetesFiles,
  type Manifest,
  manifestsOf,
  variablesIn,
} from './manifests.ts';
import { exposed, optionOf, podsOf, policySchema, selectedSchema, serviceSchema } from './pods.ts';
import { canRun, hasKubernetesTypes, isOfKubernetes, kubernetesProblems, kustomize } from './validators.ts';

const files = kubernetesFiles();
const all = files.flatMap((file) => manifestsOf(file, deployed(file)));
const objects = all.filter(({ file }) => !file.endsWith('/kustomization.yaml'));
const pods = objects.flatMap(podsOf);
const containers = pods.flatMap(({ containers: list, ...pod }) =>
  list.map((container) => ({ pod, container })),
);
const hasKubectl = await canRun('kubectl', 'version', '--client');

const ofKind = (kind: string) => objects.filter(({ object }) => object.kind === kind);
const nameOf = ({ object }: Manifest) => object.metadata?.name ?? '';
const title = (manifest: Manifest) => `${manifest.file}: ${manifest.object.kind} ${nameOf(manifest)}`;

/** Types of Kubernetes' own kinds, schemas of KEDA's; nothing of another kind. */
async function expectValid(manifests: readonly Manifest[]): Promise<void> {
  const own = manifests.filter(isOfKubernetes);
  if (hasKubernetesTypes) expect(await kubernetesProblems(own)).toBe('');
  for (const manifest of manifests.filter((one) => !own.includes(one))) {
    const schema = manifest.object.kind === 'ScaledObject' ? scaledObjectSchema : triggerAuthenticationSchema;
    expect(schema.safeParse(manifest.object).error?.message, title(manifest)).toBeUndefined();
  }
}

describe('deploy/kubernetes', () => {
  it.skipIf(!hasKubernetesTypes)(
    'is what Kubernetes and KEDA allow (skipped: npm has not brought kubernetes-types)',
    async () => {
      await expectValid(objects);
      // And the types would tell.
      const [deployment] = ofKind('Deployment').filter(({ file }) => file.includes('worker-extract'));
      for (const [right, wrong] of [
        ['"replicas":1', '"replicsa":1'],
        ['"fsGroup":1000', '"fsGroup":"1000"'],
        ['"image":', '"imagine":'],
      ] as const) {
        const text = JSON.stringify(deployment?.object).replace(right, wrong);
        expect(await kubernetesProblems(manifestsOf('wrong', text)), wrong).toContain('error TS');
      }
    },
  );

  it.each(files.filter((file) => file.endsWith('kustomization.yaml')))('%s is one', (file) => {
    for (const { object } of manifestsOf(file, deployed(file)))
      expect(kustomizationSchema.safeParse(object).error?.message).toBeUndefined();
  });

  it.skipIf(!hasKubectl).each([
    ['overlays/example', (text: string) => text],
    ['overlays/example', (text: string) => text.replace('components/keda', 'components/hpa')],
    ['submit', (text: string) => text],
  ])('%s is built by kustomize, and valid (skipped where there is no kubectl)', async (folder, change) => {
    const built = manifestsOf(folder, await kustomize(DEPLOY, folder, change));
    await expectValid(built);
    const text = JSON.stringify(built);
    // Names of generated configs and secrets end with a hash of their content, wherever they stand.
    expect(text).not.toMatch(/"secretRef":\{"name":"gleaner"\}|"secretTargetRef":\[\{[^\]]*"name":"gleaner"/);
    expect(text).not.toContain('"image":"gleaner');
    for (const { object } of built)
      if (object.kind !== 'Namespace') expect(object.metadata).toMatchObject({ namespace: 'gleaner' });
  });

  it.each(containers.map((one) => [`${one.pod.name} ${one.container.name}`, one] as const))(
    '%s: gleaner knows the command line',
    async (_, { container: { image, args } }) => {
      if (image.startsWith('gleaner-storage:')) expect(args).toEqual([]);
      else await parseCommandLine(args);
    },
  );

  it.each(containers.map((one) => [`${one.pod.name} ${one.container.name}`, one] as const))(
    '%s: no root, a file system that cannot be written, a limit of memory, a pinned image',
    (_, { pod, container }) => {
      expect(pod.spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.image).toMatch(/:\d+\.\d+\.\d+$/);
      expect(bytesOf(container.resources.limits.memory)).toBeGreaterThan(0);
      // All that it mounts is there, and scratch has a bound.
      const mounted = container.volumeMounts.map(({ name }) => name);
      expect(pod.volumes.map(({ name }) => name)).toEqual(expect.arrayContaining(mounted));
      for (const { emptyDir } of pod.volumes)
        if (emptyDir) expect(bytesOf(emptyDir.sizeLimit)).toBeGreaterThan(0);
    },
  );

  it.each(pods.filter(({ name }) => name.startsWith('worker-')).map((pod) => [pod.name, pod] as const))(
    '%s ends in time, within its memory and its disk',
    (_, { spec, containers: [worker], volumes }) => {
      if (!worker) throw new Error('no container');
      const { limits } = worker.resources;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(
        Number(optionOf(worker.args, '--grace')) + 30,
      );
      expect(bytesOf(optionOf(worker.args, '--memory') ?? '')).toBeLessThan(bytesOf(limits.memory));
      const scratch = volumes.reduce(
        (sum, { emptyDir }) => sum + (emptyDir ? bytesOf(emptyDir.sizeLimit) : 0),
        0,
      );
      expect(scratch).toBeLessThanOrEqual(bytesOf(limits['ephemeral-storage'] ?? ''));
    },
  );

  it('asks for signs of life where a container listens', () => {
    for (const { pod, container } of containers) {
      const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
      for (const probe of probes.filter((one) => one !== undefined)) {
        const port = container.ports.find(({ name }) => name === probe.httpGet.port)?.containerPort;
        const { args } = container;
        expect(String(port), pod.name).toBe(optionOf(args, '--metrics-port') ?? optionOf(args, '--port'));
        expect(probe.httpGet.path).toMatch(/^\/(?:healthz|readyz)$/);
      }
      if (pod.name.startsWith('worker-')) expect(probes, pod.name).not.toContain(undefined);
    }
  });

  it('names nothing that is not there', () => {
    for (const { name, labels, selector } of pods) if (selector) expect(labels, name).toMatchObject(selector);
    for (const manifest of ofKind('Service')) {
      const { spec } = serviceSchema.parse(manifest.object);
      const [pod] = pods.filter(({ labels }) =>
        Object.entries(spec.selector).every(([key, value]) => labels[key] === value),
      );
      const ports = pod?.containers.flatMap(({ ports: list }) => list.map(({ name }) => name));
      for (const { targetPort } of spec.ports) expect(ports, title(manifest)).toContain(targetPort);
    }
    const deployments = ofKind('Deployment').map(nameOf);
    for (const manifest of objects) {
      const { spec } = selectedSchema.parse(manifest.object);
      if (spec?.scaleTargetRef) expect(deployments, title(manifest)).toContain(spec.scaleTargetRef.name);
    }
    for (const manifest of ofKind('PodDisruptionBudget')) expect(deployments).toContain(nameOf(manifest));
    const services = ofKind('Service').map(nameOf);
    expect(exposed(ofKind('Ingress')).sort()).toEqual(services.sort());
  });

  it('finds its secrets in the examples, which hold none', () => {
    for (const file of deployedFiles('kubernetes/**/secret.env.example')) {
      const variables = variablesIn(deployed(file));
      expect(Object.keys(variables).sort()).toEqual([
        'AWS_ACCESS_KEY_ID',
        'AWS_SECRET_ACCESS_KEY',
        'GLEANER_DATABASE',
      ]);
      expect(variables.AWS_SECRET_ACCESS_KEY).toBe('');
      expect(variables.GLEANER_DATABASE).toContain(':PASSWORD@');
    }
    expect(ofKind('Secret')).toEqual([]);
  });
});

/** IANA's special-purpose registries (RFC 6890 and after), and multicast: what is not globally reachable. */
const SPECIAL = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  '2001:2::/48',
  '2001:db8::/32',
  '3fff::/20',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
] as const;

describe('where workers may connect to', () => {
  const [web] = ofKind('NetworkPolicy').filter((manifest) => nameOf(manifest) === 'web');
  const rules = policySchema
    .parse(web?.object)
    .spec.egress.flatMap(({ to }) => to.map(({ ipBlock }) => ipBlock));

  /** As Kubernetes defines an ipBlock: within cidr, and in none of the exceptions. */
  const allows = (address: string) =>
    rules.some(
      ({ cidr, except }) => within(address, cidr) && !except.some((range) => within(address, range)),
    );

  it.each([
    ['metadata of AWS, Google and Azure', '169.254.169.254'],
    ['metadata of AWS over IPv6', 'fd00:ec2::254'],
    ['keys of pods on EKS', '169.254.170.23'],
    ['metadata of Alibaba', '100.100.100.200'],
    ['metadata of Oracle', '192.0.0.192'],
    ['loopback', '127.0.0.1'],
    ['loopback of IPv6', '::1'],
    ['a cluster', '10.96.0.1'],
    ['a network of Docker', '172.17.0.1'],
    ['the last of 172.16/12', '172.31.255.255'],
    ['a router at home', '192.168.1.1'],
    ['link-local', 'fe80::1'],
    ['unique local', 'fc00::1'],
    ['IPv4 within IPv6', '::ffff:169.254.169.254'],
    ['IPv4 through NAT64', '64:ff9b::a9fe:a9fe'],
    ['IPv4 through 6to4', '2002:a9fe:a9fe::1'],
    ['IPv4 through Teredo', '2001:0:a9fe:a9fe::1'],
    ['multicast', 'ff02::1'],
  ])('not %s (%s)', (_, address) => {
    expect(allows(address)).toBe(false);
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '172.32.0.1',
    '172.15.255.255',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
  ])('%s', (address) => {
    expect(allows(address)).toBe(true);
  });

  it('nowhere that gleaner itself would not go', () => {
    const ranges = [...SPECIAL, ...rules.flatMap(({ cidr, except }) => [cidr, ...except])];
    for (const address of ranges.flatMap(edgesOf))
      expect([address, allows(address) && !isPublicAddress(address)]).toEqual([address, false]);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => !allows(address) || isPublicAddress(address)),
      { numRuns: 10_000 },
    );
  });
});

function within(address: string, range: string): boolean {
  const parsed = ipaddr.parse(address);
  const [network, bits] = ipaddr.parseCIDR(range);
  return parsed.kind() === network.kind() && parsed.match([network, bits]);
}

/** First and last address of a range, and the ones beside it where there are such. */
function edgesOf(range: string): readonly string[] {
  const [network, bits] = ipaddr.parseCIDR(range);
  const bytes = network.toByteArray();
  const width = BigInt(bytes.length * 8);
  const first = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const last = first + (1n << (width - BigInt(bits))) - 1n;
  return [first - 1n, first, last, last + 1n]
    .filter((value) => value >= 0n && value < 1n << width)
    .map((value) =>
      ipaddr
        .fromByteArray(bytes.map((_, i) => Number((value >> (8n * BigInt(bytes.length - 1 - i))) & 255n)))
        .toString(),
    );
}
