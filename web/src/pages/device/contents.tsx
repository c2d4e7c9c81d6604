/** What a device shows now, against what it was sent. */
import { Alert, Anchor, Card, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconPhoto } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Picture, contentQueries } from '@/entities/content';
import type { Schemas } from '@/shared/api';
import { Empty, Failure, Loading, Panel, When } from '@/shared/ui';

export function DeviceContents({ device }: { device: string }) {
  const { t } = useTranslation();
  const found = useQuery(contentQueries.ofDevice(device));
  const c = found.data;
  if (found.error && !c) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!c) return <Loading rows={2} height={140} />;
  return (
    <Stack gap="md">
      {c.mismatch && <Alert color="orange" icon={<IconAlertTriangle size={18} />} title={t('content.mismatch')}>{t('content.mismatchHint')}</Alert>}
      <Panel title={t('content.showsNow')} actions={c.since && <Text size="xs" c="dimmed"><When at={c.since} /></Text>}>
        {!c.shown || c.shown.length === 0 ? <Empty icon={IconPhoto} title={t('content.showsNothing')} /> : <Files files={c.shown} />}
      </Panel>
      {c.mismatch && c.expected && <Panel title={t('content.expected')}><Files files={c.expected} /></Panel>}
    </Stack>
  );
}

function Files({ files }: { files: Schemas['ShownFile'][] }) {
  const { t } = useTranslation();
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
      {files.map((file) => (
        <Card key={file.artifact} withBorder padding="xs">
          {file.content ? (
            <Stack gap={4}>
              <Picture path={file.content.preview_path} title={file.content.title} />
              <Anchor component={Link} to={`/ads/${file.content.id}`} size="sm" fw={600} truncate>{file.content.title}</Anchor>
            </Stack>
          ) : (
            <Text size="sm" c="dimmed">{t('content.unknownFile', { id: file.artifact })}</Text>
          )}
        </Card>
      ))}
    </SimpleGrid>
  );
}
