/** What stands in place of data: nothing yet, nothing there, something wrong. */
import { Alert, Button, Center, Skeleton, Stack, Text, ThemeIcon } from '@mantine/core';
import { IconAlertTriangle, IconLock, type Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '@/shared/api';

export function Empty({ icon: Shape, title, hint, action }: { icon: Icon; title: string; hint?: string; action?: ReactNode }) {
  return (
    <Center py={56} px="md">
      <Stack align="center" gap="xs" maw={440}>
        <ThemeIcon variant="light" size={52} radius="xl">
          <Shape size={26} stroke={1.6} />
        </ThemeIcon>
        <Text fw={600} ta="center">{title}</Text>
        {hint && <Text c="dimmed" size="sm" ta="center">{hint}</Text>}
        {action}
      </Stack>
    </Center>
  );
}

/** A refusal in words: what the server said, and what can be done. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const denied = error instanceof ApiError && error.status === 403;
  const offline = error instanceof ApiError && error.status === 0;
  return (
    <Alert
      color={denied ? 'gray' : 'red'}
      icon={denied ? <IconLock size={18} /> : <IconAlertTriangle size={18} />}
      title={denied ? t('state.denied') : offline ? t('state.unreachable') : t('state.failed')}
      role="alert"
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{offline ? t('state.unreachableHint') : error instanceof Error ? error.message : String(error)}</Text>
        {onRetry && !denied && (
          <Button size="xs" variant="light" color="red" onClick={onRetry}>{t('action.retry')}</Button>
        )}
      </Stack>
    </Alert>
  );
}

export function Loading({ rows = 6, height = 36 }: { rows?: number; height?: number }) {
  return (
    <Stack gap={6} aria-busy="true" aria-live="polite">
      {Array.from({ length: rows }, (_, i) => <Skeleton key={i} height={height} radius="sm" />)}
    </Stack>
  );
}
