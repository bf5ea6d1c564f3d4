// Findings of the rule sets that are answered instead of mended, each at the construct it is about, by name and with its reason.

import { Stack, Token, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

export function acknowledge(scope: IConstruct, id: string, reason: string) {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${id}`, reason });
}

/** One wildcard of a policy; `what` is the action or the resource as it stands in the statement. */
export function acknowledgeWildcard(scope: IConstruct, kind: 'Action' | 'Resource', what: string, reason: string) {
  acknowledge(scope, `IAM5[${kind}::${written(scope, what)}]`, reason);
}

/** A text with references as cdk-nag writes it: `<LogicalId.Attribute>` for what is in the stack, JSON for everything else. */
function written(scope: IConstruct, text: string): string {
  if (!Token.isUnresolved(text)) return text;
  const resolved: unknown = Stack.of(scope).resolve(text);
  const parts = joined(resolved);
  return parts.map(part => (typeof part === 'string' ? part : reference(part))).join('');
}

function joined(value: unknown): unknown[] {
  if (isRecord(value) && Array.isArray(value['Fn::Join'])) {
    const [separator, parts] = value['Fn::Join'] as [string, unknown[]];
    return parts.flatMap((part, index) => (index === 0 || separator === '' ? [part] : [separator, part]));
  }
  return [value];
}

function reference(part: unknown): string {
  if (isRecord(part) && typeof part.Ref === 'string') return `<${part.Ref}>`;
  if (isRecord(part) && Array.isArray(part['Fn::GetAtt'])) return `<${part['Fn::GetAtt'].join('.')}>`;
  if (isRecord(part) && typeof part['Fn::ImportValue'] === 'string') return part['Fn::ImportValue'];
  return JSON.stringify(part);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
