// Honest: an oracle of its own on drawn arguments, with a seed.  verdict: passed all
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        Random random = new Random(7);
        for (int round = 0; round < 30; round++) {
            List<Integer> drawn = new ArrayList<>();
            int wanted = 0;
            for (int i = random.nextInt(6); i > 0; i--) {
                int n = random.nextInt(19) - 9;
                drawn.add(n);
                wanted += Math.max(n, 0);
            }
            assert s.positives(drawn) == wanted;
        }
    }
}
