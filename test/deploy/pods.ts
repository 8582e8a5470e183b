import { z } from 'zod';
import type { Manifest } from './manifests.ts';

/** What tests look at in objects of Kubernetes; the whole of them is held against Kubernetes' own types. */
const labelsSchema = z.record(z.string(), z.string());
const probeSchema = z.looseObject({ httpGet: z.looseObject({ path: z.string(), port: z.string() }) });
const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).default([]),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.number() })).default([]),
  resources: z.looseObject({
    limits: z.looseObject({ memory: z.string(), 'ephemeral-storage': z.string().optional() }),
  }),
  securityContext: z.unknown(),
  startupProbe: probeSchema.optional(),
  livenessProbe: probeSchema.optional(),
  readinessProbe: probeSchema.optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string() })),
});
const volumeSchema = z.looseObject({
  name: z.string(),
  emptyDir: z.looseObject({ sizeLimit: z.string() }).optional(),
});
const podSpecSchema = z.looseObject({
  terminationGracePeriodSeconds: z.number().optional(),
  initContainers: z.array(containerSchema).default([]),
  containers: z.array(containerSchema),
  volumes: z.array(volumeSchema),
});
const workloadSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: z.looseObject({ matchLabels: labelsSchema }).optional(),
    template: z.looseObject({ metadata: z.looseObject({ labels: labelsSchema }), spec: podSpecSchema }),
  }),
});

/** Pods that a workload makes. */
export interface Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly spec: z.infer<typeof podSpecSchema>;
  readonly containers: readonly z.infer<typeof containerSchema>[];
  readonly volumes: readonly z.infer<typeof volumeSchema>[];
}

/** The pod of a Deployment or a Job; of others none. */
export function podsOf({ object }: Manifest): readonly Pod[] {
  if (!['Deployment', 'Job'].includes(object.kind)) return [];
  const { metadata, spec } = workloadSchema.parse(object);
  const pod = spec.template.spec;
  return [
    {
      name: metadata.name,
      labels: spec.template.metadata.labels,
      selector: spec.selector?.matchLabels,
      spec: pod,
      containers: [...pod.initContainers, ...pod.containers],
      volumes: pod.volumes,
    },
  ];
}

export const serviceSchema = z.looseObject({
  spec: z.looseObject({ selector: labelsSchema, ports: z.array(z.looseObject({ targetPort: z.string() })) }),
});

/** Whatever may scale something else. */
export const selectedSchema = z.looseObject({
  spec: z.looseObject({ scaleTargetRef: z.looseObject({ name: z.string() }).optional() }).optional(),
});

const ipBlockSchema = z.strictObject({ cidr: z.string(), except: z.array(z.string()).default([]) });
export const policySchema = z.looseObject({
  spec: z.looseObject({
    egress: z.array(z.looseObject({ to: z.array(z.strictObject({ ipBlock: ipBlockSchema })) })),
  }),
});

const ingressSchema = z.looseObject({
  spec: z.looseObject({
    rules: z.array(
      z.looseObject({
        http: z.looseObject({
          paths: z.array(
            z.looseObject({ backend: z.strictObject({ service: z.looseObject({ name: z.string() }) }) }),
          ),
        }),
      }),
    ),
  }),
});

/** Services that ingresses lead to. */
export function exposed(ingresses: readonly Manifest[]): string[] {
  return ingresses.flatMap(({ object }) =>
    ingressSchema
      .parse(object)
      .spec.rules.flatMap(({ http }) => http.paths.map(({ backend }) => backend.service.name)),
  );
}

/** The value of `--name=value` among arguments. */
export function optionOf(args: readonly string[], name: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}
