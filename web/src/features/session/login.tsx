import { Alert, Box, Button, Center, Group, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { useAccountActions } from '@/entities/account';
import { Preferences } from './preferences';
import { Mark } from './mark';

export const MIN_PASSWORD = 12;

export function Sheet({ title, lead, children }: { title: string; lead?: string; children: React.ReactNode }) {
  return (
    <Center mih="100dvh" px="md" py="xl" component="main">
      <Box w="100%" maw={400}>
        <Group justify="space-between" mb="lg">
          <Mark />
          <Preferences />
        </Group>
        <Paper withBorder p="xl" shadow="sm">
          <Stack gap="md">
            <div>
              <Title order={1}>{title}</Title>
              {lead && <Text size="sm" c="dimmed" mt={4}>{lead}</Text>}
            </div>
            {children}
          </Stack>
        </Paper>
      </Box>
    </Center>
  );
}

export function Login() {
  const { t } = useTranslation();
  const { login } = useAccountActions();
  const form = useForm({ initialValues: { name: '', password: '' } });
  return (
    <Sheet title={t('login.title')} lead={t('login.lead')}>
      <form onSubmit={form.onSubmit((values) => login.mutate(values))}>
        <Stack>
          {login.error && (
            <Alert color="red" icon={<IconAlertTriangle size={18} />} role="alert">{login.error.message}</Alert>
          )}
          <TextInput label={t('login.name')} autoComplete="username" required data-autofocus {...form.getInputProps('name')} />
          <PasswordInput label={t('login.password')} autoComplete="current-password" required {...form.getInputProps('password')} />
          <Button type="submit" loading={login.isPending} fullWidth>{t('login.enter')}</Button>
          <Text size="xs" c="dimmed">{t('login.first')}</Text>
        </Stack>
      </form>
    </Sheet>
  );
}

/** The one-time password must become the user's own before anything else works. */
export function FirstPassword({ name }: { name: string }) {
  const { t } = useTranslation();
  const { changePassword, login } = useAccountActions();
  const form = useForm({
    initialValues: { current: '', next: '', again: '' },
    validate: {
      next: (v) => (v.length < MIN_PASSWORD ? t('login.tooShort', { count: MIN_PASSWORD }) : null),
      again: (v, all) => (v === all.next ? null : t('login.differs')),
    },
  });
  const submit = form.onSubmit(async ({ current, next }) => {
    await changePassword.mutateAsync({ current, new: next });
    // Changing a password ends every session of the account, this one too.
    await login.mutateAsync({ name, password: next });
  });
  const error = changePassword.error ?? login.error;
  return (
    <Sheet title={t('login.firstTitle')} lead={t('login.firstLead')}>
      <form onSubmit={submit}>
        <Stack>
          {error && <Alert color="red" icon={<IconAlertTriangle size={18} />} role="alert">{error.message}</Alert>}
          <input type="text" name="username" value={name} autoComplete="username" readOnly hidden />
          <PasswordInput label={t('login.current')} autoComplete="current-password" required {...form.getInputProps('current')} />
          <PasswordInput label={t('login.next')} description={t('login.rule', { count: MIN_PASSWORD })} autoComplete="new-password" required {...form.getInputProps('next')} />
          <PasswordInput label={t('login.again')} autoComplete="new-password" required {...form.getInputProps('again')} />
          <Button type="submit" loading={changePassword.isPending || login.isPending}>{t('login.change')}</Button>
        </Stack>
      </form>
    </Sheet>
  );
}
