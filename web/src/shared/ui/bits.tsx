/** Small things that every page uses. */
import { ActionIcon, Box, Card, CopyButton, Group, Stack, Text, Title, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat, useNow } from '@/shared/lib/hooks';

/** A time as people say it; the exact one on hover and for screen readers. */
export function When({ at, fallback = '–' }: { at?: string | null; fallback?: string }) {
  const f = useFormat();
  const now = useNow();
  if (!at) return <Text span inherit c="dimmed">{fallback}</Text>;
  const ms = Date.parse(at);
  return (
    <Tooltip label={f.exact(ms)}>
      <time dateTime={at} title={f.exact(ms)}>{f.relative(ms, Math.max(now, ms))}</time>
    </Tooltip>
  );
}

export function PageHeader({ title, description, actions, above }: { title: ReactNode; description?: ReactNode; actions?: ReactNode; above?: ReactNode }) {
  return (
    <Stack gap={4} mb="md">
      {above}
      <Group justify="space-between" align="flex-start" gap="sm">
        <Box miw={0}>
          <Title order={1} style={{ overflowWrap: 'anywhere' }}>{title}</Title>
          {description && <Text c="dimmed" size="sm" component="div">{description}</Text>}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
    </Stack>
  );
}

export function Panel({ title, tools, actions, children, pad = true }: { title?: ReactNode; tools?: ReactNode; actions?: ReactNode; children: ReactNode; pad?: boolean }) {
  return (
    <Card withBorder padding={0} component="section" h="100%">
      {(title || tools || actions) && (
        <Group justify="space-between" px="md" py="sm" gap="sm">
          {title && <Title order={2} size="h3">{title}</Title>}
          {tools}
          {actions}
        </Group>
      )}
      <Box px={pad ? 'md' : 0} pb={pad ? 'md' : 0} pt={pad && !title && !tools && !actions ? 'md' : 0}>{children}</Box>
    </Card>
  );
}

/** A number with its name; the number is what is read first. */
export function Figure({ label, value, hint, color }: { label: string; value: ReactNode; hint?: ReactNode; color?: string }) {
  return (
    <Stack gap={0}>
      <Text size="xs" c="dimmed">{label}</Text>
      <Text fz={22} fw={640} lh={1.25} c={color} style={{ fontVariantNumeric: 'tabular-nums' }}>{value}</Text>
      {hint && <Text size="xs" c="dimmed" component="div">{hint}</Text>}
    </Stack>
  );
}

export function Facts({ items }: { items: [ReactNode, ReactNode][] }) {
  return (
    <Box component="dl" m={0} style={{ display: 'grid', gridTemplateColumns: 'minmax(7rem, max-content) 1fr', gap: '0.4rem 1rem' }}>
      {items.map(([name, value], i) => (
        <Box key={i} style={{ display: 'contents' }}>
          <Text component="dt" size="sm" c="dimmed">{name}</Text>
          <Text component="dd" size="sm" m={0} style={{ overflowWrap: 'anywhere' }}>{value}</Text>
        </Box>
      ))}
    </Box>
  );
}

export function Copy({ value, children }: { value: string; children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Group gap={4} wrap="nowrap" style={{ display: 'inline-flex' }}>
      {children}
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? t('action.copied') : t('action.copy')}>
            <ActionIcon variant="subtle" color={copied ? 'teal' : 'gray'} size="sm" onClick={copy} aria-label={t('action.copy')}>
              {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}

/** A hash, short, whole when copied. */
export function Hash({ value }: { value: string }) {
  return (
    <Copy value={value}>
      <Text span ff="monospace" size="xs" title={value}>{value.slice(0, 12)}…</Text>
    </Copy>
  );
}
