import { Badge, Box, Group, Progress, Text, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormat } from '@/shared/lib/hooks';
import { type DeploymentState, OUTCOMES, type Deployment, type Outcome } from './api';

const STATE_COLOR: Record<DeploymentState, string> = { planning: 'gray', running: 'sea', paused: 'yellow', finished: 'teal', canceled: 'gray' };

export const OUTCOME_COLOR: Record<Outcome, string> = {
  success: 'teal.6',
  in_progress: 'sea.5',
  waiting: 'gray.4',
  failed: 'red.6',
  timeout: 'orange.6',
  canceled: 'gray.6',
};

export function DeploymentStateBadge({ state }: { state: DeploymentState }) {
  const { t } = useTranslation();
  return <Badge color={STATE_COLOR[state]} variant={state === 'running' ? 'filled' : 'light'}>{t(`deploymentState.${state}`)}</Badge>;
}

export function OutcomeBadge({ outcome }: { outcome: Outcome }) {
  const { t } = useTranslation();
  return <Badge color={OUTCOME_COLOR[outcome].split('.')[0]}>{t(`outcome.${outcome}`)}</Badge>;
}

/** One bar of all six words, in their order: what succeeded grows from the left. */
export function OutcomeBar({ progress, size = 10 }: { progress: Deployment['progress']; size?: number }) {
  const { t } = useTranslation();
  const f = useFormat();
  const total = Math.max(1, progress.total);
  const label = OUTCOMES.filter((o) => progress.by_outcome[o]).map((o) => `${t(`outcome.${o}`)} ${f.number(progress.by_outcome[o] ?? 0)}`).join(', ');
  return (
    <Progress.Root size={size} role="img" aria-label={label || t('outcome.waiting')}>
      {OUTCOMES.map((outcome) => {
        const n = progress.by_outcome[outcome] ?? 0;
        if (n === 0) return null;
        return (
          <Tooltip key={outcome} label={`${t(`outcome.${outcome}`)} ${f.number(n)}`}>
            <Progress.Section value={(n / total) * 100} color={OUTCOME_COLOR[outcome]} aria-hidden />
          </Tooltip>
        );
      })}
    </Progress.Root>
  );
}

export function OutcomeCounts({ progress, active, onPick }: { progress: Deployment['progress']; active?: Outcome; onPick?: (outcome: Outcome | undefined) => void }) {
  const { t } = useTranslation();
  const f = useFormat();
  return (
    <Group gap="xs">
      {OUTCOMES.map((outcome) => (
        <Box
          key={outcome}
          component={onPick ? 'button' : 'div'}
          type={onPick ? 'button' : undefined}
          onClick={onPick ? () => onPick(active === outcome ? undefined : outcome) : undefined}
          aria-pressed={onPick ? active === outcome : undefined}
          px="sm"
          py={6}
          bg={active === outcome ? 'var(--mantine-primary-color-light)' : 'transparent'}
          style={{ border: '1px solid var(--mantine-color-default-border)', borderRadius: 8, cursor: onPick ? 'pointer' : undefined, textAlign: 'left', color: 'inherit', font: 'inherit', minWidth: 92 }}
        >
          <Group gap={6} wrap="nowrap">
            <Box w={8} h={8} bg={OUTCOME_COLOR[outcome]} style={{ borderRadius: 99 }} aria-hidden />
            <Text size="xs" c="dimmed">{t(`outcome.${outcome}`)}</Text>
          </Group>
          <Text fw={640} style={{ fontVariantNumeric: 'tabular-nums' }}>{f.number(progress.by_outcome[outcome] ?? 0)}</Text>
        </Box>
      ))}
    </Group>
  );
}
