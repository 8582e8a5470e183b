import { z } from 'zod';

/**
 * What is no part of Kubernetes itself, with the fields that are used here and no others: kustomization.yaml (kustomize's
 * reference, kustomize.config.k8s.io), and KEDA's objects (its custom resource definitions, keda.sh/v1alpha1, and its
 * page of the scaler for PostgreSQL, 2.17).
 */
const named = z.strictObject({ name: z.string().min(1) });
const generator = {
  name: z.string(),
  behavior: z.enum(['create', 'merge', 'replace']).optional(),
};

export const kustomizationSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
    kind: z.literal('Kustomization'),
    namespace: z.string(),
    resources: z.array(z.string()),
    components: z.array(z.string()).optional(),
    images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })).optional(),
    configMapGenerator: z
      .array(z.strictObject({ ...generator, literals: z.array(z.string().includes('=')) }))
      .optional(),
    secretGenerator: z.array(z.strictObject({ ...generator, envs: z.array(z.string()) })).optional(),
  }),
  z.strictObject({
    apiVersion: z.literal('kustomize.config.k8s.io/v1alpha1'),
    kind: z.literal('Component'),
    resources: z.array(z.string()),
    configurations: z.array(z.string()).optional(),
    patches: z
      .array(
        z.strictObject({
          target: z.strictObject({ kind: z.string(), name: z.string() }),
          patch: z.string(),
        }),
      )
      .optional(),
  }),
]);

const metadataSchema = z.looseObject({ name: z.string() });

export const scaledObjectSchema = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata: metadataSchema,
  spec: z.strictObject({
    scaleTargetRef: named,
    minReplicaCount: z.int().min(0),
    maxReplicaCount: z.int().min(1),
    pollingInterval: z.int().min(1),
    cooldownPeriod: z.int().min(0),
    fallback: z.strictObject({
      failureThreshold: z.int().min(0),
      replicas: z.int().min(0),
      behavior: z.enum([
        'static',
        'currentReplicas',
        'currentReplicasIfHigher',
        'currentReplicasIfLower',
        'scalingModifiers',
      ]),
    }),
    advanced: z.strictObject({
      horizontalPodAutoscalerConfig: z.strictObject({
        behavior: z.strictObject({
          scaleDown: z.strictObject({
            stabilizationWindowSeconds: z.int().min(0).max(3600),
            policies: z.array(
              z.strictObject({
                type: z.enum(['Percent', 'Pods']),
                value: z.int().min(1),
                periodSeconds: z.int().min(1).max(1800),
              }),
            ),
          }),
        }),
      }),
    }),
    triggers: z.array(
      z.strictObject({
        type: z.literal('postgresql'),
        authenticationRef: named,
        // All values of a trigger are strings.
        metadata: z.strictObject({
          query: z.string().startsWith('SELECT'),
          targetQueryValue: z.string().regex(/^\d+(?:\.\d+)?$/),
          activationTargetQueryValue: z.string().regex(/^\d+(?:\.\d+)?$/),
        }),
      }),
    ),
  }),
});

export const triggerAuthenticationSchema = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('TriggerAuthentication'),
  metadata: metadataSchema,
  spec: z.strictObject({
    secretTargetRef: z.array(
      z.strictObject({ parameter: z.literal('connection'), name: z.string(), key: z.string() }),
    ),
  }),
});
