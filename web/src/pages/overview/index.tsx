/** The fleet at a glance: what is connected, what runs, what moves, what went wrong. */
import { Anchor, Box, Grid, Group, Progress, RingProgress, Stack, Text, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconCircleCheck, IconRocket } from '@tabler/icons-react';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { type Deployment, DeploymentStateBadge, OutcomeBar, deploymentQueries, isFinal } from '@/entities/deployment';
import { deviceQueries } from '@/entities/device';
import { useFormat } from '@/shared/lib/hooks';
import { Empty, Failure, Figure, Loading, PageHeader, Panel, When } from '@/shared/ui';

export function Overview() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const counts = useQuery(deviceQueries.counts());
  const recent = useQuery(deploymentQueries.list({}, undefined, 20));
  const running = recent.data?.items.filter((d) => !isFinal(d.state)) ?? [];
  const troubled = recent.data?.items.filter((d) => (d.progress.by_outcome.failed ?? 0) + (d.progress.by_outcome.timeout ?? 0) > 0).slice(0, 6) ?? [];
  const c = counts.data;
  const total = c?.total ?? 0;

  return (
    <>
      <PageHeader title={t('overview.title')} description={t('overview.lead')} />
      {counts.error && <Box mb="md"><Failure error={counts.error} onRetry={() => void counts.refetch()} /></Box>}
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Panel title={t('nav.devices')} actions={<Anchor component={Link} to="/device" size="sm">{t('action.all')}</Anchor>}>
            {!c ? <Loading rows={3} /> : (
              <Group gap="lg" wrap="nowrap">
                <RingProgress
                  size={124}
                  thickness={13}
                  roundCaps={c.online > 0}
                  sections={[{ value: total ? (c.online / total) * 100 : 0, color: 'teal.6' }]}
                  label={<Text ta="center" fw={640} fz="lg">{total ? f.percent(c.online / total) : '–'}</Text>}
                  aria-hidden
                />
                <Stack gap={6}>
                  <Figure label={t('device.total')} value={f.number(total)} />
                  <Group gap="lg">
                    <Figure label={t('device.online')} value={f.number(c.online)} color="teal" />
                    <Figure label={t('device.offline')} value={f.number(total - c.online)} />
                  </Group>
                </Stack>
              </Group>
            )}
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Panel title={t('overview.versions')}>
            {!c ? <Loading rows={3} /> : <Bars rows={c.by_version.slice(0, 5).map((v) => ({ key: v.version ?? '', label: v.version ?? t('device.unknownVersion'), count: v.count }))} total={total} onPick={(version) => void navigate({ to: '/device', search: { version: version || undefined } })} />}
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Panel title={t('nav.regions')} actions={<Anchor component={Link} to="/regions" size="sm">{t('action.all')}</Anchor>}>
            {!c ? <Loading rows={3} /> : <Bars rows={c.by_region.slice(0, 5).map((r) => ({ key: r.region?.code ?? '', label: r.region?.name ?? t('form.none'), count: r.count }))} total={total} onPick={(region) => void navigate({ to: '/device', search: { region: region || undefined } })} />}
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Panel title={t('overview.running')} actions={<Anchor component={Link} to="/firmware/deployment" size="sm">{t('action.all')}</Anchor>}>
            {recent.error && !recent.data ? <Failure error={recent.error} onRetry={() => void recent.refetch()} /> : !recent.data ? <Loading rows={3} /> : running.length === 0 ? (
              <Empty icon={IconRocket} title={t('overview.nothingRuns')} hint={t('overview.nothingRunsHint')} />
            ) : (
              <Stack gap="md">{running.map((d) => <Running key={d.id} deployment={d} />)}</Stack>
            )}
          </Panel>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Panel title={t('overview.troubled')}>
            {!recent.data ? <Loading rows={3} /> : troubled.length === 0 ? <Empty icon={IconCircleCheck} title={t('overview.noTrouble')} /> : (
              <Stack gap="xs">
                {troubled.map((d) => (
                  <Group key={d.id} justify="space-between" wrap="nowrap" gap="sm">
                    <Box miw={0}>
                      <Anchor component={Link} to={`/firmware/deployment/${d.id}?outcome=failed`} size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>{d.name}</Anchor>
                      <Text size="xs" c="dimmed"><When at={d.finished_at ?? d.created_at} /></Text>
                    </Box>
                    <Text size="sm" c="red" fw={600} style={{ whiteSpace: 'nowrap' }}>{t('overview.failures', { count: (d.progress.by_outcome.failed ?? 0) + (d.progress.by_outcome.timeout ?? 0) })}</Text>
                  </Group>
                ))}
              </Stack>
            )}
          </Panel>
        </Grid.Col>
      </Grid>
    </>
  );
}

function Bars({ rows, total, onPick }: { rows: { key: string; label: string; count: number }[]; total: number; onPick: (key: string) => void }) {
  const { t } = useTranslation();
  const f = useFormat();
  if (rows.length === 0) return <Text size="sm" c="dimmed">{t('device.none')}</Text>;
  return (
    <Stack gap={8}>
      {rows.map((row) => (
        <UnstyledButton key={row.key} onClick={() => onPick(row.key)}>
          <Group justify="space-between" gap="sm" wrap="nowrap" mb={2}>
            <Text size="sm" truncate>{row.label}</Text>
            <Text size="sm" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>{f.number(row.count)}</Text>
          </Group>
          <Progress value={total ? (row.count / total) * 100 : 0} size={6} aria-label={row.label} />
        </UnstyledButton>
      ))}
    </Stack>
  );
}

function Running({ deployment: d }: { deployment: Deployment }) {
  const { t } = useTranslation();
  const f = useFormat();
  return (
    <Stack gap={6}>
      <Group justify="space-between" gap="sm" wrap="nowrap">
        <Anchor component={Link} to={`/firmware/deployment/${d.id}`} fw={600} style={{ overflowWrap: 'anywhere' }}>{d.name}</Anchor>
        <DeploymentStateBadge state={d.state} />
      </Group>
      <OutcomeBar progress={d.progress} />
      <Group justify="space-between" gap="sm">
        <Text size="xs" c="dimmed">{t('deployment.of', { done: f.number(d.progress.finished), total: f.number(d.progress.total) })}</Text>
        <Text size="xs" c="dimmed">
          {d.progress.speed_bytes_per_s != null && f.speed(d.progress.speed_bytes_per_s)}
          {d.progress.eta_s != null && ` · ${t('deployment.left', { duration: f.duration(d.progress.eta_s) })}`}
        </Text>
      </Group>
    </Stack>
  );
}
